# SPDX-License-Identifier: MIT
"""A beacon chain of real light-client objects, without clock and IO: whoever calls `propose` is its time.

Real are the keys and signatures of the sync committees, the trees that light clients open (`beacon_block.py`
says which leaves are filler), the fork schedule, and finality by epochs (`finality.py` says how far). Blocks
have no signature of their proposer, and there are no forks of the chain but those that misbehaviour makes
(`misbehaviour.py`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

from light_clients.bls import INFINITY_SIGNATURE
from light_clients.codec.merkle_branch import merkleize
from light_clients.ethereum.config import Epoch, ForkName, NetworkConfig, Period, Slot
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientOptimisticUpdate,
    LightClientUpdate,
    SyncAggregate,
    SyncCommittee,
)
from light_clients.ethereum.execution import ExecutionPayloadHeader
from light_clients.ethereum.signing import sync_committee_signing_root
from light_clients.ethereum.sync_protocol import is_better_update
from relayer.consensus.ethereum.local import light_client_objects as objects
from relayer.consensus.ethereum.local.beacon_block import (
    BeaconBlock,
    StateBuilder,
    body_leaves,
)
from relayer.consensus.ethereum.local.finality import Checkpoint, Finality
from relayer.consensus.ethereum.local.keyring import EFFECTIVE_BALANCE_GWEI, Keyring
from relayer.consensus.ethereum.local.leaves import ZERO, bytes_leaf, list_root, uint_leaf
from relayer.consensus.ethereum.local.payload import invent_payload

#: How many blocks can still be asked for, and how many finalized ones beside them.
RETENTION: Final = 4096
_MOST_TRUSTED: Final = 1024
#: 2^40 balances of 8 bytes are possible, and four of them share a chunk.
_BALANCES_LIMIT: Final = 2**38


class Simulation:
    """One chain.

    Args:
        config: sizes, times and forks. A chain with proofs has Capella or later at genesis. The validators'
            root of it is used as it is: `registry_root` gives the one that fits the keys.
        seed: all keys, committees and filler follow from it.
        validators: how many keys there are; committees repeat them when they are fewer than places.
        genesis_execution: of block 0; invented when None.
        retention: how many blocks are kept, at least those of four epochs.
    """

    def __init__(
        self,
        config: NetworkConfig,
        seed: bytes,
        validators: int = 64,
        *,
        genesis_execution: ExecutionPayloadHeader | None = None,
        retention: int = RETENTION,
    ) -> None:
        self.config = config
        self.keys = Keyring(seed, validators, config.preset.sync_committee_size)
        self._seed = sha256(b"postroad devnet/filler/" + seed).digest()
        # What is to become final must not be forgotten before: it is at most three epochs back.
        self._retention = max(retention, 4 * config.preset.slots_per_epoch)
        self._states = StateBuilder(self._seed, self._fixed_leaves())
        self._blocks: OrderedDict[bytes, BeaconBlock] = OrderedDict()
        self._by_slot: dict[Slot, bytes] = {}
        self._finals: OrderedDict[bytes, BeaconBlock] = OrderedDict()
        self._trusted: OrderedDict[bytes, BeaconBlock] = OrderedDict()
        self._best: dict[Period, LightClientUpdate] = {}
        self._votes: dict[Epoch, float] = {}
        self._signed: tuple[BeaconBlock, BeaconBlock] | None = None
        nobody = SyncAggregate(
            sync_committee_bits=(False,) * config.preset.sync_committee_size,
            sync_committee_signature=INFINITY_SIGNATURE,
        )
        self._head = self._build(Slot(0), ZERO, genesis_execution, nobody, Finality())
        self._remember(self._head)
        self._genesis = self._head
        self._checkpoint = Checkpoint(Epoch(0), self._head.root)

    # --- what there is --------------------------------------------------------------------------------------

    @property
    def secrets(self) -> tuple[int, ...]:
        """Every validator's secret key."""
        return self.keys.secrets

    @property
    def head(self) -> BeaconBlock:
        """The newest block."""
        return self._head

    @property
    def genesis(self) -> BeaconBlock:
        """The block of slot 0."""
        return self._genesis

    @property
    def finalized(self) -> BeaconBlock:
        """The newest block that the head's state holds for final; the genesis block before there is any."""
        return self._final_block(self._head) or self._genesis

    @property
    def justified(self) -> BeaconBlock:
        """The newest block that the head's state holds for justified, or the finalized one in its place."""
        return self._blocks.get(self._head.finality.justified.root) or self.finalized

    def committee(self, period: Period) -> SyncCommittee:
        """Return the sync committee of a period."""
        return self.keys.committee(period)

    def block(self, root: bytes) -> BeaconBlock | None:
        """Return a block by its root; None when there is none, or it was forgotten."""
        return self._blocks.get(root) or self._finals.get(root) or self._trusted.get(root)

    def block_at(self, slot: Slot) -> BeaconBlock | None:
        """Return the block of a slot; None where it was missed or forgotten."""
        root = self._by_slot.get(slot)
        return None if root is None else self.block(root)

    @property
    def kept_slots(self) -> int:
        """How many slots are remembered: no more than blocks are kept."""
        return len(self._by_slot)

    # --- growth ---------------------------------------------------------------------------------------------

    def propose(
        self,
        slot: Slot,
        execution: ExecutionPayloadHeader | None = None,
        participation: float | Sequence[bool] = 1.0,
        *,
        target_votes: float = 1.0,
    ) -> BeaconBlock:
        """Make the block of a slot. Slots that are left out are missed.

        Args:
            slot: after the head's.
            execution: what the block executes, of the shape of the slot's fork; invented when None.
            participation: the share of the sync committee that signs the parent (members at random places),
                or who does.
            target_votes: the share of the validators that vote for this epoch's checkpoint, as of this block.

        Raises:
            ValueError: the slot is not after the head's, or the participation does not fit.
        """
        parent = self._head
        if slot <= parent.slot:
            raise ValueError(f"found slot {slot}, expected one after the head's, {parent.slot}")
        bits = self._bits(slot, participation)
        finality = self._cross_epochs(slot)
        period = self.config.period_at(slot)
        aggregate = SyncAggregate(
            sync_committee_bits=bits,
            sync_committee_signature=self.keys.sign(period, bits, self.signing_root(parent.root, slot)),
        )
        block = self._build(slot, parent.root, execution, aggregate, finality)
        self._head = block
        self._remember(block)
        epoch = self.config.epoch_at(slot)
        self._votes[epoch] = target_votes
        if slot % self.config.preset.slots_per_epoch == 0:
            self._checkpoint = Checkpoint(epoch, block.root)
        if any(bits):
            self._signed = (block, parent)
            self._offer(block, parent)
        return block

    def signing_root(self, root: bytes, signature_slot: Slot) -> bytes:
        """Return what a committee signs of a block's root in a slot."""
        return sync_committee_signing_root(root, signature_slot, self.config)

    # --- what light clients ask for -------------------------------------------------------------------------

    def bootstrap(self, block_root: bytes) -> LightClientBootstrap | None:
        """Return what a client starts with from a trusted block; None when there is no such block.

        A block that somebody began with is kept when others are forgotten: it will be asked for at the next
        start too.
        """
        block = self.block(block_root)
        if block is None:
            return None
        self._trusted[block_root] = block
        self._trusted.move_to_end(block_root)
        if len(self._trusted) > _MOST_TRUSTED:
            self._trusted.popitem(last=False)
        return objects.bootstrap(block, self.committee(self.config.period_at(block.slot)))

    def update(self, period: Period) -> LightClientUpdate | None:
        """Return the best update of a period, as `is_better_update` ranks them; None without any."""
        return self._best.get(period)

    def updates(self, start_period: Period, count: int) -> tuple[LightClientUpdate, ...]:
        """Return the best updates of consecutive periods, up to the first that has none."""
        found = []
        for period in range(start_period, start_period + count):
            update = self._best.get(Period(period))
            if update is None:
                break
            found.append(update)
        return tuple(found)

    def best_updates(self) -> dict[Period, LightClientUpdate]:
        """Return the best update of every period that has one, as of now."""
        return dict(self._best)

    def finality_update(self) -> LightClientFinalityUpdate | None:
        """Return the finality update of the newest signed block; None before anything is final."""
        newest = self.newest_signed
        return None if newest is None else objects.finality_update(*newest)

    def optimistic_update(self) -> LightClientOptimisticUpdate | None:
        """Return the optimistic update of the newest block that somebody signed; None before there is one."""
        return None if self._signed is None else objects.optimistic_update(*self._signed)

    def newest_update(self) -> LightClientUpdate | None:
        """Return a whole update for the newest block that somebody signed."""
        return None if self._signed is None else self.update_of(*self._signed)

    @property
    def newest_signed(self) -> tuple[BeaconBlock, BeaconBlock, BeaconBlock] | None:
        """The newest signed block, its parent, and what that holds for final; None without any."""
        if self._signed is None:
            return None
        block, attested = self._signed
        final = self._final_block(attested)
        return None if final is None else (block, attested, final)

    def update_of(self, block: BeaconBlock, attested: BeaconBlock) -> LightClientUpdate:
        """Return the update that a block makes for its parent (`create_light_client_update`)."""
        period = self.config.period_at(attested.slot)
        is_own_period = period == self.config.period_at(block.slot)
        return objects.update(
            block,
            attested,
            self._final_block(attested),
            self.committee(Period(period + 1)) if is_own_period else None,
        )

    # --- inside ---------------------------------------------------------------------------------------------

    def _build(
        self,
        slot: Slot,
        parent_root: bytes,
        execution: ExecutionPayloadHeader | None,
        aggregate: SyncAggregate,
        finality: Finality,
    ) -> BeaconBlock:
        fork = self.config.fork_at_slot(slot)
        if execution is None and fork.name >= ForkName.BELLATRIX:
            parent = self._blocks.get(parent_root)
            before = None if parent is None else parent.execution
            execution = invent_payload(fork.name, slot, self.config.timestamp_at(slot), before)
        elif execution is not None and execution != execution.in_form_of(fork.name):
            raise ValueError(
                f"found a payload header of {execution.fork.label}, expected the form of {fork.name.label}"
            )
        payload = ZERO if execution is None else execution.hash_tree_root()
        aggregate_root = aggregate.root_at(fork.name, self.config.preset)
        body = body_leaves(fork, slot, self._seed, aggregate_root, payload)
        proposer = (
            int.from_bytes(sha256(self._seed + b"proposer %d" % slot).digest()[:8]) % self.keys.validators
        )
        unfinished = BeaconBlockHeader(slot, proposer, parent_root, ZERO, merkleize(body))
        forks = self.config.forks
        previous = forks[max(0, forks.index(fork) - 1)]
        period = self.config.period_at(slot)
        state = self._states.leaves(
            fork=fork,
            previous_version=previous.version,
            latest=unfinished,
            finality=finality,
            committees=(
                self.committee(period).hash_tree_root(),
                self.committee(Period(period + 1)).hash_tree_root(),
            ),
            payload_root=payload,
        )
        header = replace(unfinished, state_root=merkleize(state))
        return BeaconBlock(
            header=header,
            root=header.hash_tree_root(),
            fork=fork,
            execution=execution,
            aggregate=aggregate,
            body=body,
            state=state,
            finality=finality,
        )

    def _cross_epochs(self, slot: Slot) -> Finality:
        """Finality after the ends of all epochs between the head and a slot."""
        finality = self._head.finality
        for ended in range(self.config.epoch_at(self._head.slot), self.config.epoch_at(slot)):
            votes = self._votes.pop(Epoch(ended), 0.0)
            finality = finality.end_epoch(self._checkpoint, votes)
            self._checkpoint = Checkpoint(Epoch(ended + 1), self._head.root)
        final = self._blocks.get(finality.finalized.root)
        if final is not None:
            self._finals[final.root] = final
            if len(self._finals) > self._retention:
                _, old = self._finals.popitem(last=False)
                self._forget_slot(old)
        return finality

    def _remember(self, block: BeaconBlock) -> None:
        self._blocks[block.root] = block
        self._by_slot[block.slot] = block.root
        if len(self._blocks) > self._retention:
            _, old = self._blocks.popitem(last=False)
            self._forget_slot(old)

    def _forget_slot(self, block: BeaconBlock) -> None:
        if block.root not in self._blocks and block.root not in self._finals:
            self._by_slot.pop(block.slot, None)

    def _final_block(self, block: BeaconBlock) -> BeaconBlock | None:
        root = block.finality.finalized.root
        return None if root == ZERO else self._finals[root]

    def _offer(self, block: BeaconBlock, attested: BeaconBlock) -> None:
        period = self.config.period_at(attested.slot)
        best = self._best.get(period)
        if best is not None and self._is_perfect(best):
            return
        update = self.update_of(block, attested)
        if best is None or is_better_update(update, best, self.config):
            self._best[period] = update

    def _is_perfect(self, update: LightClientUpdate) -> bool:
        """Return whether no later update of its period can be better: of equals the older one counts."""
        if update.next_sync_committee is None or not update.finality_branch:
            return False
        periods = {
            self.config.period_at(Slot(header.beacon.slot))
            for header in (update.attested_header, update.finalized_header)
        }
        return len(periods) == 1 and all(update.sync_aggregate.sync_committee_bits)

    def _bits(self, slot: Slot, participation: float | Sequence[bool]) -> tuple[bool, ...]:
        size = self.config.preset.sync_committee_size
        if isinstance(participation, (int, float)):
            if not 0 <= participation <= 1:
                raise ValueError(f"found a participation of {participation}, expected 0 to 1")
            absent = size - round(participation * size)
            if absent == 0:
                return (True,) * size
            order = sorted(
                range(size), key=lambda i: sha256(self._seed + b"absent %d %d" % (slot, i)).digest()
            )
            gone = set(order[:absent])
            return tuple(place not in gone for place in range(size))
        bits = tuple(map(bool, participation))
        if len(bits) != size:
            raise ValueError(f"found {len(bits)} bits, expected {size}, one a member")
        return bits

    def _fixed_leaves(self) -> dict[int, bytes]:
        count = self.keys.validators
        balances = EFFECTIVE_BALANCE_GWEI.to_bytes(8, "little") * count
        packed = [bytes_leaf(balances[at : at + 32]) for at in range(0, len(balances), 32)]
        return {
            # The places are those of BeaconState: genesis_time, genesis_validators_root, eth1_deposit_index,
            # validators, balances.
            0: uint_leaf(self.config.genesis_time),
            1: self.config.genesis_validators_root,
            10: uint_leaf(count),
            11: self.keys.registry_root,
            12: list_root(packed, _BALANCES_LIMIT, count),
        }
