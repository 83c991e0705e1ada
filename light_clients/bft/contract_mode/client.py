# SPDX-License-Identifier: MIT
"""The light client of a QBFT chain whose validators are chosen by a contract (docs/reference/wire-formats.md
§6.6).

It gives the verdicts of `BftValidatorContractLightClient.sol` on the same bytes (INV-7, INV-8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from light_clients.bft.client import BftState
from light_clients.bft.contract_mode.reader import ReadBlock, read_block
from light_clients.bft.contract_mode.validator_contract import ValidatorContract, read_set
from light_clients.bft.validators import check_quorum
from light_clients.client import Height, Status, StorageValue, Timestamp
from light_clients.cursor import Cursor
from light_clients.errors import ProofRejected
from light_clients.trust import (
    Anchor,
    TrustWindow,
    check_contradiction,
    check_later,
    move_anchor,
    prove_by_anchor,
    read_claim,
)

__all__ = ["ContractModeClient", "ContractModeParams", "ContractModeState"]


@dataclass(frozen=True, slots=True)
class ContractModeParams:
    """What a client is deployed with. It never changes.

    Attributes:
        contract: where the chain keeps the list of its validators.
        trusting_period_s: for how long after the time of its header a trusted set is believed.
        max_clock_drift_s: how far a header's time may lie ahead of now.
    """

    contract: ValidatorContract
    trusting_period_s: int
    max_clock_drift_s: int


@dataclass(frozen=True, slots=True)
class ContractModeState(BftState):
    """Trusted state. The set seals the blocks after `height`.

    Attributes:
        storage_root: the storage root of the contract that the set was last read from, 32 bytes; None after
            the admin chose the set.
    """

    storage_root: bytes | None = None


@dataclass(frozen=True, slots=True)
class ContractModeClient:
    """A light client of one QBFT chain whose validators a contract chooses (see `LightClient`).

    Attributes:
        params: what it was deployed with.
        state: what it believes; `update`, `anchor` and `freeze` return a client with another state.
    """

    params: ContractModeParams
    state: ContractModeState

    @classmethod
    def bootstrap(
        cls,
        params: ContractModeParams,
        validators: Sequence[bytes],
        height: Height,
        timestamp: Timestamp,
    ) -> Self:
        """Return a client that trusts the contract's list after a block (20 bytes each, in the list's order),
        as the contract's constructor does.

        Raises:
            ValidatorSetRejected: the list cannot be a validator set.
            HeaderRejected: the height is 0.
        """
        return cls(params, ContractModeState.begin(validators, height, timestamp))

    def status(self, now: Timestamp) -> Status:
        """Return whether the client is Active, Expired or Frozen at this time."""
        return self._trust().status(now)

    def storage_at(self, proof: bytes, account: bytes, slot: bytes, now: Timestamp) -> StorageValue:
        """Return the proven value of a storage slot (32 bytes) of an account (20 bytes); see
        `LightClient.storage_at`.
        """
        self._trust().check_active(now)
        cursor = Cursor(proof)
        claim = read_claim(cursor, account, slot)
        if claim.is_anchored:
            cursor.finish()
            return prove_by_anchor(self.state.anchor, claim)
        block = self._read_block(cursor, claim.state_root)
        cursor.finish()
        # The height is not compared with the trusted one: heads and set bits only grow, so an older header of
        # the same set can only prove less (ADR 0002).
        self._trust().check_not_ahead(block.header.timestamp, now)
        return StorageValue(claim.value, block.header.number, block.header.timestamp)

    def update(self, data: bytes, now: Timestamp) -> Self:
        """Return the client that trusts a later header, and the set that the contract holds under it; see
        `LightClient.update`.
        """
        self._trust().check_active(now)
        state, cursor = self.state, Cursor(data)
        header = self._read_block(cursor).header
        after = read_set(cursor, self.params.contract, state.storage_root)
        cursor.finish()
        check_later(header.number, header.timestamp, state.height, state.timestamp)
        self._trust().check_not_ahead(header.timestamp, now)
        if after.state_root != header.state_root:
            raise ProofRejected(
                "the next set is proven in another state", found=after.state_root, expected=header.state_root
            )
        return replace(
            self,
            state=replace(
                state,
                set_hash=after.set_hash or state.set_hash,
                storage_root=after.storage_root,
                height=header.number,
                timestamp=header.timestamp,
            ),
        )

    def anchor(self, data: bytes, now: Timestamp) -> Self:
        """Return the client with a header's state root as its anchor; see `LightClient.anchor`."""
        self._trust().check_active(now)
        cursor = Cursor(data)
        header = self._read_block(cursor).header
        cursor.finish()
        self._trust().check_not_ahead(header.timestamp, now)
        anchor = move_anchor(self.state.anchor, Anchor(header.number, header.timestamp, header.state_root))
        return replace(self, state=replace(self.state, anchor=anchor))

    def freeze(self, data: bytes) -> Self:
        """Return the frozen client, given two blocks of one height that the trusted set sealed in its turn;
        see `LightClient.freeze`.

        Their times do not matter: two such blocks prove by themselves that at least a third of the set is
        hostile.
        """
        self._trust().check_not_frozen()
        cursor = Cursor(data)
        first, second = self._read_block(cursor).header, self._read_block(cursor).header
        cursor.finish()
        # Blocks are compared by the hash that the chain gives them. An honest validator may seal the same
        # block in two rounds, and the hashes that it then seals differ.
        names = first.preimage.block_hash(), second.preimage.block_hash()
        check_contradiction((first.number, second.number), names)
        return replace(self, state=replace(self.state, frozen=True))

    def _trust(self) -> TrustWindow:
        params, state = self.params, self.state
        return TrustWindow(state.timestamp, params.trusting_period_s, params.max_clock_drift_s, state.frozen)

    def _read_block(self, cursor: Cursor, state_root: bytes | None = None) -> ReadBlock:
        """Read a block that a quorum of the trusted set sealed, and whose parent's state gives that set the
        turn. Raises Rejection.
        """
        block = read_block(cursor, self.params.contract, self.state.storage_root, state_root)
        self.state.check_set_hash(block.set_hash)
        # Members of the trusted set who are no quorum of the set that sealed say nothing: they may have
        # sealed a block that was proposed and not decided.
        self.state.check_set_hash(block.proven.set_hash or self.state.set_hash)
        check_quorum(block.sealers.bit_count(), len(block.validators))
        return block
