# SPDX-License-Identifier: MIT
"""The light client of a Clique chain (docs/reference/wire-formats.md §8).

It gives the verdicts of `CliqueLightClient.sol` on the same bytes (INV-7, INV-8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from light_clients.client import Height, Status, StorageValue, Timestamp
from light_clients.clique.header import CliqueHeader
from light_clients.clique.reader import Run
from light_clients.clique.signers import check_set, majority, set_hash
from light_clients.cursor import Cursor
from light_clients.errors import (
    EncodingRejected,
    HeaderRejected,
    QuorumNotReached,
    UpdateRejected,
    ValidatorSetRejected,
)
from light_clients.trust import (
    Anchor,
    TrustWindow,
    check_contradiction,
    check_later,
    move_anchor,
    prove_by_anchor,
    read_claim,
)

#: The first byte behind the trusted set in an update: its run begins with this set, or with an epoch block.
FROM_TRUSTED: Final = 0
FROM_EPOCH: Final = 1

#: The deepest that a client can be told to go beyond the majority: a run's length is one byte.
MAX_EXTRA_DEPTH: Final = 100


@dataclass(frozen=True, slots=True)
class CliqueParams:
    """What a client is deployed with. It never changes.

    Attributes:
        epoch: after how many blocks votes are discarded and the signers listed; the chain's own number.
        extra_depth: how many headers more than a majority have to stand on a header; 0 to 100.
        trusting_period_s: for how long after the time of its header a trusted set is believed.
        max_clock_drift_s: how far a header's time may lie ahead of now.
    """

    epoch: int
    extra_depth: int
    trusting_period_s: int
    max_clock_drift_s: int

    def depth(self, members: int) -> int:
        """Return how many headers have to stand on one before it is believed, for a set of that size."""
        return majority(members) + self.extra_depth


@dataclass(frozen=True, slots=True)
class CliqueState:
    """Trusted state: what a client believes and nothing else.

    Attributes:
        set_hash: the hash of the trusted signers, 32 bytes.
        height: the number of the header behind which they seal.
        timestamp: the time of that header, in seconds.
        frozen: whether misbehaviour was proven.
        anchor: the last anchored state root; None before the first.
    """

    set_hash: bytes
    height: Height
    timestamp: Timestamp
    frozen: bool = False
    anchor: Anchor | None = None


@dataclass(frozen=True, slots=True)
class CliqueClient:
    """A light client of one Clique chain (see `LightClient`).

    Attributes:
        params: what it was deployed with.
        state: what it believes; `update`, `anchor` and `freeze` return a client with another state.
    """

    params: CliqueParams
    state: CliqueState

    @classmethod
    def bootstrap(
        cls, params: CliqueParams, signers: Sequence[bytes], height: Height, timestamp: Timestamp
    ) -> Self:
        """Return a client that trusts a signer set (20 bytes each, ascending), as the contract's constructor
        does.

        Raises:
            ValidatorSetRejected: the list cannot be a signer set.
            HeaderRejected: the height or the epoch is 0, or the extra depth too much.
        """
        check_set(signers)
        if height < 1:
            raise HeaderRejected("trust begins too low", found=height, expected="a height of at least 1")
        if params.epoch < 1 or not 0 <= params.extra_depth <= MAX_EXTRA_DEPTH:
            raise HeaderRejected(
                "the rules are of no chain",
                found=(params.epoch, params.extra_depth),
                expected=f"an epoch of at least 1, and an extra depth of 0..{MAX_EXTRA_DEPTH}",
            )
        return cls(params, CliqueState(set_hash(signers), height, timestamp))

    def status(self, now: Timestamp) -> Status:
        """Return whether the client is Active, Expired or Frozen at this time."""
        return self._trust().status(now)

    def believe(self, data: bytes, now: Timestamp) -> CliqueHeader:
        """Return the header that is believed, given the argument of `anchor`.

        Raises:
            Rejection: the client is not Active, or the header is not believed.
        """
        self._trust().check_active(now)
        cursor = Cursor(data)
        header = self._read_believed(cursor, self._read_trusted_set(cursor))
        cursor.finish()
        self._trust().check_not_ahead(header.timestamp, now)
        return header

    def storage_at(self, proof: bytes, account: bytes, slot: bytes, now: Timestamp) -> StorageValue:
        """Return the proven value of a storage slot (32 bytes) of an account (20 bytes); see
        `LightClient.storage_at`.
        """
        self._trust().check_active(now)
        cursor = Cursor(proof)
        # The tries come before the headers, because they compute the state root that the first header is
        # hashed with: its seal and its child are the only comparisons (ADR 0007).
        claim = read_claim(cursor, account, slot)
        if claim.is_anchored:
            cursor.finish()
            return prove_by_anchor(self.state.anchor, claim)
        # The height is not compared with the trusted one: heads and set bits only grow, so an older header of
        # the same set can only prove less (ADR 0002).
        header = self._read_believed(cursor, self._read_trusted_set(cursor), claim.state_root)
        cursor.finish()
        self._trust().check_not_ahead(header.timestamp, now)
        return StorageValue(claim.value, header.number, header.timestamp)

    def update(self, data: bytes, now: Timestamp) -> Self:
        """Return the client that trusts a later header and the signers behind it; see
        `LightClient.update`.
        """
        self._trust().check_active(now)
        cursor = Cursor(data)
        trusted = self._read_trusted_set(cursor)
        form = cursor.uint(1)
        if form > FROM_EPOCH:
            raise EncodingRejected("an update is of no known form", found=form, expected="0 or 1")
        first = trusted
        if form == FROM_EPOCH:
            first = cursor.addresses()
            check_set(first)
        count = cursor.uint(1)
        run = Run(first, self.params.epoch, tallied=True)
        for _ in range(count):
            run.read(cursor)
        cursor.finish()
        depth = self.params.depth(len(run.signers))
        if count <= depth:
            raise QuorumNotReached("too few headers", found=count, expected=f"at least {depth + 1}")
        if form == FROM_EPOCH:
            self._check_vouched(trusted, run.headers)
        last = run.headers[-1 - depth]
        # The signers behind the header that becomes trusted are those that its successors are checked with.
        if run.changed > count - depth:
            raise UpdateRejected(
                "the signers change too late", found=run.changed, expected=f"at most {count - depth}"
            )
        check_later(last.number, last.timestamp, self.state.height, self.state.timestamp)
        self._trust().check_not_ahead(last.timestamp, now)
        moved = replace(
            self.state, set_hash=set_hash(run.signers), height=last.number, timestamp=last.timestamp
        )
        return replace(self, state=moved)

    def anchor(self, data: bytes, now: Timestamp) -> Self:
        """Return the client with a header's state root as its anchor; see `LightClient.anchor`."""
        header = self.believe(data, now)
        anchor = move_anchor(self.state.anchor, Anchor(header.number, header.timestamp, header.state_root))
        return replace(self, state=replace(self.state, anchor=anchor))

    def freeze(self, data: bytes) -> Self:
        """Return the frozen client, given two blocks of one height that it would both believe; see
        `LightClient.freeze`.

        Two sealed blocks of one height are ordinary in Clique. Two that more than half of the signers built
        on are not: some signers built on both. Their times do not matter.
        """
        self._trust().check_not_frozen()
        cursor = Cursor(data)
        trusted = self._read_trusted_set(cursor)
        first, second = self._read_believed(cursor, trusted), self._read_believed(cursor, trusted)
        cursor.finish()
        check_contradiction((first.number, second.number), (first.block_hash, second.block_hash))
        return replace(self, state=replace(self.state, frozen=True))

    def _trust(self) -> TrustWindow:
        params, state = self.params, self.state
        return TrustWindow(state.timestamp, params.trusting_period_s, params.max_clock_drift_s, state.frozen)

    def _read_trusted_set(self, cursor: Cursor) -> tuple[bytes, ...]:
        signers = cursor.addresses()
        found = set_hash(signers)
        if found != self.state.set_hash:
            raise ValidatorSetRejected(
                "the signers are not the trusted ones", found=found, expected=self.state.set_hash
            )
        return signers

    def _check_vouched(self, trusted: Sequence[bytes], headers: Sequence[CliqueHeader]) -> None:
        """Check that more than half of the trusted signers sealed the epoch block or built on it.

        One signer alone writes what an epoch block lists. A change by votes needs no such check: more than
        half of the trusted signers sealed the votes.
        """
        if headers[0].number % self.params.epoch:
            raise UpdateRejected(
                "a block lists no signers",
                found=headers[0].number,
                expected=f"a multiple of {self.params.epoch}",
            )
        vouching = len(set(trusted) & {header.signer for header in headers})
        if vouching < majority(len(trusted)):
            raise QuorumNotReached(
                "too few trusted signers built on the list", found=vouching, expected=majority(len(trusted))
            )

    def _read_believed(
        self, cursor: Cursor, signers: Sequence[bytes], state_root: bytes | None = None
    ) -> CliqueHeader:
        """Read a header, and as many headers behind it as it takes to believe it."""
        run = Run(signers, self.params.epoch)
        run.read(cursor, state_root)
        for _ in range(self.params.depth(len(signers))):
            run.read(cursor)
        return run.headers[0]
