# SPDX-License-Identifier: MIT
"""The light client of Ethereum's consensus, as it is on chain (docs/reference/wire-formats.md §7).

It gives the verdicts of `EthereumLightClient.sol` on the same bytes (INV-7, INV-8). The client that follows a
chain by the specification's own objects is another one: `sync_protocol`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from light_clients.bls import backend
from light_clients.client import Status, StorageValue, Timestamp
from light_clients.cursor import Cursor
from light_clients.errors import (
    HeaderRejected,
    MisbehaviourRejected,
    UpdateRejected,
    ValidatorSetRejected,
)
from light_clients.ethereum.config import Slot
from light_clients.ethereum.params import EthereumParams, WireFork, WireLayout
from light_clients.ethereum.reader import Signed, read_signed
from light_clients.trust import Anchor, TrustWindow, move_anchor, prove_by_anchor, read_claim

__all__ = ["Anchor", "EthereumClient", "EthereumParams", "EthereumState", "WireFork", "WireLayout"]


@dataclass(frozen=True, slots=True)
class EthereumState:
    """Trusted state: what a client believes and nothing else.

    Attributes:
        finalized_slot: the slot of the newest trusted header.
        committee: the root of the sync committee of that slot's period, 32 bytes.
        next_committee: the root of the committee of the next period; None while it is not known.
        frozen: whether misbehaviour was proven.
        anchor: the last anchored state root; None before the first.
    """

    finalized_slot: Slot
    committee: bytes
    next_committee: bytes | None
    frozen: bool = False
    anchor: Anchor | None = None


@dataclass(frozen=True, slots=True)
class EthereumClient:
    """A light client of one chain with Ethereum's consensus (see `LightClient`).

    Attributes:
        params: what it was deployed with.
        state: what it believes; `update`, `anchor` and `freeze` return a client with another state.
    """

    params: EthereumParams
    state: EthereumState

    @classmethod
    def bootstrap(
        cls,
        params: EthereumParams,
        finalized_slot: Slot,
        committee: bytes,
        next_committee: bytes | None = None,
    ) -> Self:
        """Return a client that trusts a slot and the committee of its period, as the contract's constructor
        does.

        Args:
            params: what the client is deployed with.
            finalized_slot: the slot of a finalized header, from a checkpoint that the caller trusts.
            committee: the root of the `SyncCommittee` of that slot's period, 32 bytes.
            next_committee: the root of the committee of the period after it; None where it is not known.

        Raises:
            HeaderRejected: the slot lies before the first fork.
            ValidatorSetRejected: a root is zero.
        """
        params.fork_at(finalized_slot)
        if not any(committee) or (next_committee is not None and not any(next_committee)):
            raise ValidatorSetRejected(
                "a committee's root is zero", found=bytes(32), expected="the root of a SyncCommittee"
            )
        return cls(params, EthereumState(finalized_slot, committee, next_committee))

    @property
    def timestamp(self) -> Timestamp:
        """The time of the newest trusted header, in seconds."""
        return self.params.timestamp_at(self.state.finalized_slot)

    def status(self, now: Timestamp) -> Status:
        """Return whether the client is Active, Expired or Frozen at this time."""
        return self._trust().status(now)

    def storage_at(self, proof: bytes, account: bytes, slot: bytes, now: Timestamp) -> StorageValue:
        """Return the proven value of a storage slot (32 bytes) of an account (20 bytes); see
        `LightClient.storage_at`.

        Its height is the number of the execution block, its timestamp the time of the beacon slot.
        """
        self._trust().check_active(now)
        cursor = Cursor(proof)
        claim = read_claim(cursor, account, slot)
        if claim.is_anchored:
            cursor.finish()
            return prove_by_anchor(self.state.anchor, claim)
        # The slot is not compared with the trusted one: heads and set bits only grow, so an older header can
        # only prove less, as long as its committee is known.
        anchor = self._read_anchor(cursor, claim.state_root, now)
        return StorageValue(claim.value, anchor.height, anchor.timestamp)

    def update(self, data: bytes, now: Timestamp) -> Self:
        """Return the client that trusts a later finalized slot, or knows the next committee; see
        `LightClient.update`.
        """
        self._trust().check_active(now)
        cursor = Cursor(data)
        signed = read_signed(cursor, self.params)
        cursor.finish()
        self._check_believed(signed)
        self._check_not_ahead(signed, now)
        state = self.state
        is_same_period = self._period(signed.finalized_slot) == self._period(state.finalized_slot)
        # A signature is later than what it finalizes, and only two committees are known. So a finalized slot
        # of the next period was signed by that period's committee, which serves from then on. A slot of an
        # earlier period is refused below.
        committee, known = (
            (state.committee, state.next_committee) if is_same_period else (signed.committee, None)
        )
        # Nodes keep one update for each period. Where other updates have moved trust beyond its slot before,
        # its next committee is still news.
        # Were it refused, one update that shows no committee would let anyone strand the client (ADR 0011).
        learns = is_same_period and known is None and signed.next_committee is not None
        if signed.finalized_slot <= state.finalized_slot and not learns:
            raise UpdateRejected(
                "an update brings nothing new",
                found=signed.finalized_slot,
                expected=f"a finalized slot above {state.finalized_slot}, or its period's unknown next committee",
            )
        if known is not None and signed.next_committee not in {None, known}:
            raise UpdateRejected(
                "the next committee is not the known one", found=signed.next_committee, expected=known
            )
        return replace(
            self,
            state=replace(
                state,
                finalized_slot=max(state.finalized_slot, signed.finalized_slot),
                committee=committee,
                next_committee=known or signed.next_committee,
            ),
        )

    def anchor(self, data: bytes, now: Timestamp) -> Self:
        """Return the client with the state root of a finalized execution block as its anchor; see
        `LightClient.anchor`.
        """
        self._trust().check_active(now)
        cursor = Cursor(data)
        anchor = move_anchor(self.state.anchor, self._read_anchor(cursor, cursor.take(32), now))
        return replace(self, state=replace(self.state, anchor=anchor))

    def freeze(self, data: bytes) -> Self:
        """Return the frozen client, given two signed updates that contradict each other; see
        `LightClient.freeze`.

        They do when they finalize two headers of one slot, or show two next committees of one period. Two
        attested headers of one slot are no misbehaviour: a block that is not finalized may be replaced.
        """
        self._trust().check_not_frozen()
        cursor = Cursor(data)
        first, second = read_signed(cursor, self.params), read_signed(cursor, self.params)
        cursor.finish()
        two_headers = (
            first.finalized_slot == second.finalized_slot and first.finalized_root != second.finalized_root
        )
        two_committees = (
            first.next_committee is not None
            and second.next_committee is not None
            and self._period(first.finalized_slot) == self._period(second.finalized_slot)
            and first.next_committee != second.next_committee
        )
        # The contradiction is looked for before the signatures: comparing costs nothing beside two pairings.
        if not two_headers and not two_committees:
            raise MisbehaviourRejected(
                "the finalized headers don't contradict each other",
                found=f"slots {first.finalized_slot} and {second.finalized_slot}",
                expected="two headers of one slot, or two next committees of one period",
            )
        # No clock is asked. Two signatures that contradict each other prove misbehaviour whenever they were
        # made (wire-formats §7.4).
        self._check_believed(first)
        self._check_believed(second)
        return replace(self, state=replace(self.state, frozen=True))

    def _trust(self) -> TrustWindow:
        params = self.params
        return TrustWindow(
            self.timestamp, params.trusting_period_s, params.max_clock_drift_s, self.state.frozen
        )

    def _period(self, slot: Slot) -> int:
        return self.params.period_at(slot)

    def _read_anchor(self, cursor: Cursor, state_root: bytes, now: Timestamp) -> Anchor:
        """Read `signed` with its execution to the end, check it, and return its execution block as an
        anchor.
        """
        signed = read_signed(cursor, self.params, state_root)
        cursor.finish()
        self._check_believed(signed)
        self._check_not_ahead(signed, now)
        assert signed.block_number is not None
        return Anchor(signed.block_number, self.params.timestamp_at(signed.finalized_slot), state_root)

    def _check_believed(self, signed: Signed) -> None:
        """Check that the committee that is trusted for the period of the signature signed."""
        # The slot of the signature decides who had to sign: the attested header may be of the period before.
        trusted, period = self.state, self._period(signed.signature_slot)
        ahead = period - self._period(trusted.finalized_slot)
        known = {0: trusted.committee, 1: trusted.next_committee}.get(ahead)
        if known is None:
            raise HeaderRejected(
                f"the sync committee of period {period} is not known",
                found=f"a signature at slot {signed.signature_slot}",
                expected=f"one of period {self._period(trusted.finalized_slot)}"
                + ("" if trusted.next_committee is None else " or the next"),
            )
        if signed.committee != known:
            raise ValidatorSetRejected(
                f"the sync committee is not the trusted one of period {period}",
                found=signed.committee,
                expected=known,
            )
        signed.check_signature(backend())

    def _check_not_ahead(self, signed: Signed, now: Timestamp) -> None:
        # The signature's slot is the latest of the three, so it stands for all of them.
        self._trust().check_not_ahead(self.params.timestamp_at(signed.signature_slot), now)
