# SPDX-License-Identifier: MIT
"""The light client of a QBFT, IBFT 2.0 or legacy Istanbul chain (docs/reference/wire-formats.md §6).

It gives the verdicts of `BftLightClient.sol` on the same bytes (INV-7, INV-8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind, BftKinds
from light_clients.bft.reader import MAX_HEADERS, NOT_TRUSTED, ReadHeader, read_header
from light_clients.bft.validators import check_quorum, check_set, quorum, set_hash
from light_clients.client import Height, Status, StorageValue, Timestamp
from light_clients.cursor import Cursor
from light_clients.errors import (
    EncodingRejected,
    HeaderRejected,
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

__all__ = ["Anchor", "BftClient", "BftKind", "BftParams", "BftState", "quorum", "set_hash"]


@dataclass(frozen=True, slots=True)
class BftParams:
    """What a client is deployed with. It never changes.

    Attributes:
        kinds: which protocol the chain runs, or which two and where it changes.
        trusting_period_s: for how long after the time of its header a trusted set is believed.
        max_clock_drift_s: how far a header's time may lie ahead of now.
    """

    kinds: BftKinds
    trusting_period_s: int
    max_clock_drift_s: int


@dataclass(frozen=True, slots=True)
class BftState:
    """Trusted state: what a client believes and nothing else.

    Attributes:
        set_hash: the hash of the trusted validator list, 32 bytes.
        height: the number of the header that made it trusted.
        timestamp: the time of that header, in seconds.
        frozen: whether misbehaviour was proven.
        anchor: the last anchored state root; None before the first.
    """

    set_hash: bytes
    height: Height
    timestamp: Timestamp
    frozen: bool = False
    anchor: Anchor | None = None

    @classmethod
    def begin(cls, validators: Sequence[bytes], height: Height, timestamp: Timestamp) -> Self:
        """Return trust in a validator list, as the contract's constructor has it; raises as `bootstrap`."""
        check_set(validators)
        if height < 1:
            raise HeaderRejected(
                "block 0 has no seals to trust", found=height, expected="a height of at least 1"
            )
        return cls(set_hash(validators), height, timestamp)

    def check_set_hash(self, found: bytes) -> None:
        """Check that a hash is the trusted set's. Raises ValidatorSetRejected: it is another one's."""
        if found != self.set_hash:
            raise ValidatorSetRejected("the set is not the trusted one", found=found, expected=self.set_hash)


@dataclass(frozen=True, slots=True)
class BftClient:
    """A light client of one BFT chain (see `LightClient`).

    Attributes:
        params: what it was deployed with.
        state: what it believes; `update`, `anchor` and `freeze` return a client with another state.
    """

    params: BftParams
    state: BftState

    @classmethod
    def bootstrap(
        cls, params: BftParams, validators: Sequence[bytes], height: Height, timestamp: Timestamp
    ) -> Self:
        """Return a client that trusts a validator list (20 bytes each), as the contract's constructor does.

        Raises:
            ValidatorSetRejected: the list cannot be a validator set.
            HeaderRejected: the height is 0.
        """
        return cls(params, BftState.begin(validators, height, timestamp))

    def status(self, now: Timestamp) -> Status:
        """Return whether the client is Active, Expired or Frozen at this time."""
        return self._trust().status(now)

    def check_header(self, header: BftHeader, now: Timestamp) -> None:
        """Check a header that a node gave, by the rules by which `storage_at` checks one that a proof
        carries.

        Raises:
            Rejection: the client is not Active, or the header is not believed.
        """
        self._trust().check_active(now)
        kind = self.params.kinds.at(header.number)
        if header.kind is not kind:
            raise HeaderRejected(
                "the header is of another protocol", found=header.kind.name, expected=kind.name
            )
        # A header names its own validators, so their quorum says nothing before the list is the trusted one.
        self.state.check_set_hash(set_hash(header.validators))
        check_quorum(len(header.sealers()), len(header.validators))
        self._trust().check_not_ahead(header.timestamp, now)

    def storage_at(self, proof: bytes, account: bytes, slot: bytes, now: Timestamp) -> StorageValue:
        """Return the proven value of a storage slot (32 bytes) of an account (20 bytes); see
        `LightClient.storage_at`.
        """
        self._trust().check_active(now)
        cursor = Cursor(proof)
        # The tries come before the header, because they compute the state root that the header is hashed
        # with: the seals are the only comparison (ADR 0007).
        claim = read_claim(cursor, account, slot)
        if claim.is_anchored:
            cursor.finish()
            return prove_by_anchor(self.state.anchor, claim)
        header = read_header(cursor, self.params.kinds, claim.state_root)
        cursor.finish()
        # The height is not compared with the trusted one: heads and set bits only grow, so an older header of
        # the same set can only prove less (ADR 0002).
        self._check_trusted(header, now)
        return StorageValue(claim.value, header.number, header.timestamp)

    def update(self, data: bytes, now: Timestamp) -> Self:
        """Return the client that trusts a later header and its validator set; see `LightClient.update`."""
        self._trust().check_active(now)
        cursor = Cursor(data)
        count = cursor.uint(1)
        if not 1 <= count <= MAX_HEADERS:
            raise UpdateRejected(
                "an update has another number of headers", found=count, expected=f"1..{MAX_HEADERS}"
            )
        link = _read_link(cursor)
        headers = [read_header(cursor, self.params.kinds) for _ in range(count)]
        cursor.finish()
        self._check_sequence(headers)
        last = headers[-1]
        # Times do not descend, so the last header is the latest of all.
        self._trust().check_not_ahead(last.timestamp, now)
        # A header below the quorum of its own list is no block of its chain, whoever of the trusted set
        # sealed it (INV-7).
        for header in headers:
            check_quorum(header.sealers.bit_count(), len(header.validators))
        if link is None:
            # All headers list one set, as `_check_sequence` has found, so the last one speaks for all.
            self.state.check_set_hash(last.set_hash)
        else:
            self._check_link(link, headers)
        return replace(
            self,
            state=replace(self.state, set_hash=last.set_hash, height=last.number, timestamp=last.timestamp),
        )

    def anchor(self, data: bytes, now: Timestamp) -> Self:
        """Return the client with a header's state root as its anchor; see `LightClient.anchor`."""
        self._trust().check_active(now)
        cursor = Cursor(data)
        header = read_header(cursor, self.params.kinds)
        cursor.finish()
        self._check_trusted(header, now)
        anchor = move_anchor(self.state.anchor, Anchor(header.number, header.timestamp, header.state_root))
        return replace(self, state=replace(self.state, anchor=anchor))

    def freeze(self, data: bytes) -> Self:
        """Return the frozen client, given two blocks of one height that the trusted set sealed; see
        `LightClient.freeze`.

        Their times do not matter: two such headers prove by themselves that at least a third of the set is
        hostile.
        """
        self._trust().check_not_frozen()
        cursor = Cursor(data)
        pair = read_header(cursor, self.params.kinds), read_header(cursor, self.params.kinds)
        cursor.finish()
        for header in pair:
            # Keys of validators that have left may have been sold. Whoever bought them must not be able to
            # freeze the client, so only the set that is trusted now counts.
            self.state.check_set_hash(header.set_hash)
            check_quorum(header.sealers.bit_count(), len(header.validators))
        first, second = pair
        # Blocks are compared by the hash that the chain gives them. An honest validator may seal the same
        # block in two rounds, and the hashes that it then seals differ.
        names = first.preimage.block_hash(), second.preimage.block_hash()
        check_contradiction((first.number, second.number), names)
        return replace(self, state=replace(self.state, frozen=True))

    def _trust(self) -> TrustWindow:
        params, state = self.params, self.state
        return TrustWindow(state.timestamp, params.trusting_period_s, params.max_clock_drift_s, state.frozen)

    def _check_trusted(self, header: ReadHeader, now: Timestamp) -> None:
        self.state.check_set_hash(header.set_hash)
        check_quorum(header.sealers.bit_count(), len(header.validators))
        self._trust().check_not_ahead(header.timestamp, now)

    def _check_sequence(self, headers: Sequence[ReadHeader]) -> None:
        """Check that heights ascend from the trusted one, timestamps do not descend, and all headers list one
        set.
        """
        height, timestamp = self.state.height, self.state.timestamp
        for header in headers:
            check_later(header.number, header.timestamp, height, timestamp)
            if header.set_hash != headers[0].set_hash:
                raise UpdateRejected(
                    "headers list different sets", found=header.set_hash, expected=headers[0].set_hash
                )
            height, timestamp = header.number, header.timestamp

    def _check_link(self, link: _Link, headers: Sequence[ReadHeader]) -> None:
        """Check that a quorum of the trusted set sealed headers that list the new one.

        The members are counted over the union of the seals of all headers. A block is imported at a quorum
        without spare seals, so that after a removal (4 to 3 validators) one header may lack those that the
        trusted set needs.
        """
        # The state has only the hash of the trusted set, so the update brings its members. What hashes to it
        # was checked for zeros and duplicates when it was let in.
        self.state.check_set_hash(set_hash(link.trusted))
        validators = headers[0].validators
        if headers[0].set_hash == self.state.set_hash:
            raise UpdateRejected(
                "the set is the trusted one", found=headers[0].set_hash, expected="a new set, or link 0"
            )
        # From here on the set is trusted by its hash, and nobody looks at its members again. A member that is
        # listed twice would count twice in every later quorum.
        check_set(validators)
        if len(link.indexes) != len(validators):
            raise UpdateRejected(
                "a link is of another set", found=len(link.indexes), expected=f"{len(validators)} indexes"
            )
        union = 0
        for header in headers:
            union |= header.sealers
        vouching = 0
        for i, (index, validator) in enumerate(zip(link.indexes, validators, strict=True)):
            if index == NOT_TRUSTED:
                continue
            if index >= len(link.trusted) or link.trusted[index] != validator:
                raise UpdateRejected("an index names another validator", found=index, expected=validator)
            # The new members are distinct, so no trusted validator is counted twice.
            vouching += union >> i & 1
        check_quorum(vouching, len(link.trusted))


@dataclass(frozen=True, slots=True)
class _Link:
    """How a new set relates to the trusted one.

    Attributes:
        trusted: the trusted validators, 20 bytes each, in the list's order.
        indexes: for member i of the new set, `indexes[i]` is its place in `trusted`, or NOT_TRUSTED.
    """

    trusted: tuple[bytes, ...]
    indexes: bytes


def _read_link(cursor: Cursor) -> _Link | None:
    kind = cursor.uint(1)
    if kind > 1:
        raise EncodingRejected("a link is of no known kind", found=kind, expected="0 or 1")
    if kind == 0:
        return None
    return _Link(cursor.addresses(), cursor.prefixed())
