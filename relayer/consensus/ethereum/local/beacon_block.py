# SPDX-License-Identifier: MIT
"""A simulated beacon block: its header, and the trees of its body and its state.

What light clients read is real, and so is what goes with it:

- in the state: genesis_time, genesis_validators_root, slot, fork, latest_block_header, eth1_deposit_index,
  validators, balances, justification_bits, the three checkpoints, the two sync committees,
  latest_execution_payload_header;
- in the body: sync_aggregate, and execution_payload (its root is the payload header's).

**Filler** is everything else, digests that no light client opens and that no transition made: in the state
block_roots, state_roots, historical_roots, eth1_data and its votes, randao_mixes, slashings, participation,
inactivity_scores, withdrawal indices, historical_summaries, and all fields of Electra and Fulu; in the body
all other fields. Nobody signs blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from light_clients.codec.merkle_branch import compute_merkle_proof, hash_pair, merkleize
from light_clients.ethereum.config import Fork, ForkName, Slot
from light_clients.ethereum.containers import BeaconBlockHeader, SyncAggregate
from light_clients.ethereum.execution import ExecutionPayloadHeader
from relayer.consensus.ethereum.local.finality import Checkpoint, Finality
from relayer.consensus.ethereum.local.leaves import bytes_leaf, uint_leaf

#: How many fields a container has decides the depth of its tree, and so where branches stand.
_STATE_FIELDS: Final = {
    ForkName.ALTAIR: 24,
    ForkName.BELLATRIX: 25,
    ForkName.CAPELLA: 28,
    ForkName.DENEB: 28,
    ForkName.ELECTRA: 37,
    ForkName.FULU: 38,
}
_BODY_FIELDS: Final = {
    ForkName.ALTAIR: 9,
    ForkName.BELLATRIX: 10,
    ForkName.CAPELLA: 11,
    ForkName.DENEB: 12,
    ForkName.ELECTRA: 13,
    ForkName.FULU: 13,
}
#: The places of fields in BeaconBlockBody and BeaconState (consensus-specs, `specs/*/beacon-chain.md`).
BODY_SYNC_AGGREGATE: Final = 8
BODY_EXECUTION_PAYLOAD: Final = 9
STATE_FINALIZED_CHECKPOINT: Final = 20
STATE_CURRENT_SYNC_COMMITTEE: Final = 22
STATE_NEXT_SYNC_COMMITTEE: Final = 23
STATE_EXECUTION_PAYLOAD_HEADER: Final = 24
#: Filler that differs from block to block, as these fields do: roots, mixes, participation, scores.
_RESTLESS: Final = frozenset({5, 6, 13, 15, 16, 21})


@dataclass(frozen=True, slots=True)
class BeaconBlock:
    """A block and the state after it.

    Attributes:
        header, root: the block's header, and its root of 32 bytes.
        fork: the one that governs its slot.
        execution: None before Bellatrix.
        aggregate: of the committee, over the parent's root.
        body, state: the leaves of the two trees, 32 bytes each.
        finality: what the state says.
    """

    header: BeaconBlockHeader
    root: bytes
    fork: Fork
    execution: ExecutionPayloadHeader | None
    aggregate: SyncAggregate
    body: tuple[bytes, ...]
    state: tuple[bytes, ...]
    finality: Finality

    @property
    def slot(self) -> Slot:
        """Of the block."""
        return Slot(self.header.slot)

    @property
    def execution_branch(self) -> tuple[bytes, ...]:
        """From the execution payload up to the body's root."""
        return compute_merkle_proof(self.body, BODY_EXECUTION_PAYLOAD)

    def state_branch(self, field: int) -> tuple[bytes, ...]:
        """From a field up to the state's root."""
        return compute_merkle_proof(self.state, field)

    @property
    def finality_branch(self) -> tuple[bytes, ...]:
        """From the finalized checkpoint's root up to the state's root."""
        epoch = uint_leaf(self.finality.finalized.epoch)
        return (epoch, *self.state_branch(STATE_FINALIZED_CHECKPOINT))


def body_leaves(
    fork: Fork, slot: Slot, seed: bytes, aggregate_root: bytes, payload_root: bytes
) -> tuple[bytes, ...]:
    """Return the leaves of a block's body. `payload_root` counts from Bellatrix on."""
    count = _fields(_BODY_FIELDS, fork)
    leaves = [_filler(seed, "body", index, slot) for index in range(count)]
    leaves[BODY_SYNC_AGGREGATE] = aggregate_root
    if count > BODY_EXECUTION_PAYLOAD:
        leaves[BODY_EXECUTION_PAYLOAD] = payload_root
    return tuple(leaves)


class StateBuilder:
    """Builds the leaves of states of one chain; keeps those that stay the same.

    Args:
        seed: for the filler.
        fixed: leaves that the caller knows, by field.
    """

    def __init__(self, seed: bytes, fixed: Mapping[int, bytes]) -> None:
        self._seed = seed
        self._fixed = dict(fixed)
        self._kept: dict[ForkName, list[bytes]] = {}

    def leaves(
        self,
        *,
        fork: Fork,
        previous_version: bytes,
        latest: BeaconBlockHeader,
        finality: Finality,
        committees: tuple[bytes, bytes],
        payload_root: bytes,
    ) -> tuple[bytes, ...]:
        """Return the leaves of the state after a block.

        Args:
            fork: of the block's slot.
            previous_version: of the fork before it (its own for the first).
            latest: the block's header, without its state root.
            finality: after the block.
            committees: roots of the current and the next sync committee.
            payload_root: of the block's execution payload header.
        """
        leaves = list(self._common(fork))
        slot = Slot(latest.slot)
        for index in _RESTLESS:
            leaves[index] = _filler(self._seed, "state", index, slot)
        # The places are those of BeaconState: 2 slot, 3 fork, 4 latest_block_header, 17 justification_bits,
        # 18 and 19 the previous and the current justified checkpoint.
        leaves[2] = uint_leaf(slot)
        leaves[3] = merkleize(
            (bytes_leaf(previous_version), bytes_leaf(fork.version), uint_leaf(fork.epoch)), 4
        )
        leaves[4] = latest.hash_tree_root()
        leaves[17] = uint_leaf(finality.bits)
        leaves[18] = checkpoint_root(finality.previous_justified)
        leaves[19] = checkpoint_root(finality.justified)
        leaves[STATE_FINALIZED_CHECKPOINT] = checkpoint_root(finality.finalized)
        leaves[STATE_CURRENT_SYNC_COMMITTEE], leaves[STATE_NEXT_SYNC_COMMITTEE] = committees
        if len(leaves) > STATE_EXECUTION_PAYLOAD_HEADER:
            leaves[STATE_EXECUTION_PAYLOAD_HEADER] = payload_root
        return tuple(leaves)

    def _common(self, fork: Fork) -> Sequence[bytes]:
        kept = self._kept.get(fork.name)
        if kept is None:
            count = _fields(_STATE_FIELDS, fork)
            kept = [self._fixed.get(i) or _filler(self._seed, "state", i, Slot(0)) for i in range(count)]
            self._kept[fork.name] = kept
        return kept


def checkpoint_root(checkpoint: Checkpoint) -> bytes:
    """Return the leaf of a checkpoint."""
    return hash_pair(uint_leaf(checkpoint.epoch), checkpoint.root)


def _filler(seed: bytes, kind: str, index: int, slot: Slot) -> bytes:
    return sha256(b"filler %b %d %d " % (kind.encode(), index, slot) + seed).digest()


def _fields(table: Mapping[ForkName, int], fork: Fork) -> int:
    count = table.get(fork.name)
    if count is None:
        known = ", ".join(name.label for name in table)
        raise ValueError(f"found the fork {fork.name.label}, expected one whose trees are known: {known}")
    return count
