# SPDX-License-Identifier: MIT
"""A chain of one proposer: the specification makes, signs and judges every block; the execution client fills
and executes it.

Real are the state transition, the signatures of proposers, committees and attesters, finality and every
light-client object. There are no peers and no forks of the chain.
"""

from __future__ import annotations

import importlib
import random
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from tests.live.specification.encoding import engine_payload, read_payload
from tests.live.specification.engine import Engine, EngineError

_SPECIFICATION = "eth_consensus_specs"
_ZERO = bytes(32)
_MAX_ATTESTATIONS = 8
#: Blocks and states that are kept; finality needs the last few epochs.
_KEPT = 128
_FEE_RECIPIENT = "0x00000000000000000000000000000000000fee01"


@dataclass(frozen=True, slots=True)
class Block:
    """A block with the state after it, and the rules that it followed."""

    spec: Any
    root: bytes
    signed: Any
    state: Any


class Chain:
    """The chain, from genesis on.

    Args:
        engine: the execution client, at its genesis.
        genesis_time: of slot 0, in seconds.
        slot_duration_ms: length of a slot.
        fulu_epoch: where Electra, which the chain begins with, ends.
        validators: how many there are.
        seed: who is absent from sync committees follows from it.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        genesis_time: int,
        slot_duration_ms: int,
        fulu_epoch: int,
        validators: int,
        seed: int,
    ) -> None:
        self._engine = engine
        self._random = random.Random(seed)
        self._validators = validators
        self._electra = self._rules("electra", slot_duration_ms, fulu_epoch)
        self._fulu = self._rules("fulu", slot_duration_ms, fulu_epoch)
        self._fulu_epoch = fulu_epoch
        self._keys: list[int] = importlib.import_module(f"{_SPECIFICATION}.test.helpers.keys").privkeys
        self._bls = importlib.import_module(f"{_SPECIFICATION}.utils.bls")
        self._blocks: OrderedDict[bytes, Block] = OrderedDict()
        self._voted = 0
        self.genesis = self._begin(genesis_time)
        self.head = self.genesis
        self.best_updates: dict[int, tuple[Any, Any]] = {}
        self.newest_update: tuple[Any, Any] | None = None

    # --- what there is ---

    @property
    def spec(self) -> Any:
        """The rules of the head."""
        return self.head.spec

    @property
    def rules(self) -> Any:
        """The newest rules of the schedule, whose configuration knows all forks."""
        return self._fulu

    def block(self, root: bytes) -> Block | None:
        """A block that is still kept."""
        return self._blocks.get(root)

    @property
    def finalized(self) -> Block:
        """What the head's state holds for final; genesis before there is any."""
        root = bytes(self.head.state.finalized_checkpoint.root)
        return self.genesis if root == _ZERO else self._blocks[root]

    @property
    def justified(self) -> Block:
        """What the head's state holds for justified; genesis before there is any."""
        root = bytes(self.head.state.current_justified_checkpoint.root)
        return self.genesis if root == _ZERO else self._blocks[root]

    # --- growth ---

    def propose(self, slot: int) -> Block:
        """Make the block of a slot after the head's; slots between are missed.

        Raises:
            EngineError: the execution client refuses.
            AssertionError: the specification does.
        """
        parent = self.head
        spec, state = self._advance(slot)
        block = spec.BeaconBlock(
            slot=slot,
            proposer_index=spec.get_beacon_proposer_index(state),
            parent_root=parent.root,
            body=spec.BeaconBlockBody(
                randao_reveal=self._sign(
                    spec, state, slot, spec.DOMAIN_RANDAO, spec.Epoch(spec.compute_epoch_at_slot(slot))
                ),
                eth1_data=state.eth1_data,
                sync_aggregate=self._sync_aggregate(spec, state, slot, parent.root),
                attestations=self._attestations(spec, state, slot),
            ),
        )
        payload, requests = self._build(spec, state, parent)
        block.body.execution_payload = payload
        block.body.execution_requests = requests
        # In here the execution client is asked whether the payload is valid.
        spec.process_block(state, block)
        block.state_root = spec.hash_tree_root(state)
        signed = spec.SignedBeaconBlock(
            message=block, signature=self._sign(spec, state, slot, spec.DOMAIN_BEACON_PROPOSER, block)
        )
        if not spec.verify_block_signature(state, signed):
            raise EngineError(f"the proposer's signature of slot {slot} does not hold")
        made = Block(spec, bytes(spec.hash_tree_root(block)), signed, state)
        self._remember(made)
        self._choose(made)
        self._offer_update(made, parent)
        return made

    # --- inside ---

    def _rules(self, fork: str, slot_duration_ms: int, fulu_epoch: int) -> Any:
        """A fork's specification, minimal preset, with our schedule,
        and an engine that asks the execution client.
        """
        spec: Any = importlib.import_module(f"{_SPECIFICATION}.{fork}.minimal")
        epochs = {
            f"{name}_FORK_EPOCH": spec.Epoch(0)
            for name in ("ALTAIR", "BELLATRIX", "CAPELLA", "DENEB", "ELECTRA")
        }
        if fork == "fulu":
            epochs["FULU_FORK_EPOCH"] = spec.Epoch(fulu_epoch)
        changed = {
            "SLOT_DURATION_MS": spec.Uint64(slot_duration_ms),
            "TERMINAL_TOTAL_DIFFICULTY": spec.Uint256(0),
            **epochs,
        }
        known = {name: value for name, value in changed.items() if name in spec.config._fields}
        spec.config = spec.config._replace(**known)
        engine = self._engine

        class RealEngine(spec.NoopExecutionEngine):  # type: ignore[misc]
            def verify_and_notify_new_payload(self, request: Any) -> bool:
                return engine.execute(
                    engine_payload(request.execution_payload),
                    ["0x" + bytes(item).hex() for item in request.versioned_hashes],
                    bytes(request.parent_beacon_block_root),
                    [
                        "0x" + bytes(item).hex()
                        for item in spec.get_execution_requests_list(request.execution_requests)
                    ],
                )

        spec.EXECUTION_ENGINE = RealEngine()
        return spec

    def _begin(self, genesis_time: int) -> Block:
        """The genesis state, with the execution client's genesis block in it."""
        spec = self._electra
        helpers = importlib.import_module(f"{_SPECIFICATION}.test.helpers.genesis")
        balances = [spec.MAX_EFFECTIVE_BALANCE] * self._validators
        state = helpers.create_genesis_state(spec, balances, spec.MAX_EFFECTIVE_BALANCE)
        state.genesis_time = genesis_time
        found = self._engine.block(0)
        state.latest_execution_payload_header = spec.ExecutionPayloadHeader(
            parent_hash=_bytes(found["parentHash"]),
            fee_recipient=_bytes(found["miner"]),
            state_root=_bytes(found["stateRoot"]),
            receipts_root=_bytes(found["receiptsRoot"]),
            logs_bloom=_bytes(found["logsBloom"]),
            prev_randao=_bytes(found["mixHash"]),
            block_number=0,
            gas_limit=int(found["gasLimit"], 16),
            gas_used=0,
            timestamp=int(found["timestamp"], 16),
            extra_data=_bytes(found["extraData"]),
            base_fee_per_gas=int(found["baseFeePerGas"], 16),
            block_hash=_bytes(found["hash"]),
            transactions_root=spec.hash_tree_root(spec.ExecutionPayload().transactions),
            withdrawals_root=spec.hash_tree_root(spec.ExecutionPayload().withdrawals),
            blob_gas_used=int(found["blobGasUsed"], 16),
            excess_blob_gas=int(found["excessBlobGas"], 16),
        )
        signed = spec.SignedBeaconBlock(
            message=spec.BeaconBlock(state_root=spec.hash_tree_root(state), body=spec.BeaconBlockBody())
        )
        block = Block(spec, bytes(spec.hash_tree_root(signed.message)), signed, state)
        self._blocks[block.root] = block
        return block

    def _advance(self, slot: int) -> tuple[Any, Any]:
        """The rules and the state of a slot before its block, across the fork where it lies between."""
        spec, state = self.head.spec, self.head.state.copy()
        first_of_fulu = self._fulu_epoch * int(spec.SLOTS_PER_EPOCH)
        if spec is self._electra and slot >= first_of_fulu:
            spec.process_slots(state, spec.Slot(first_of_fulu))
            spec = self._fulu
            state = spec.upgrade_to_fulu(state)
        if state.slot < slot:
            spec.process_slots(state, spec.Slot(slot))
        return spec, state

    def _build(self, spec: Any, state: Any, parent: Block) -> tuple[Any, Any]:
        """Let the execution client build a payload on the parent's."""
        timestamp = int(spec.compute_time_at_slot(state, state.slot))
        attributes = {
            "timestamp": hex(timestamp),
            "prevRandao": "0x" + bytes(spec.get_randao_mix(state, spec.get_current_epoch(state))).hex(),
            "suggestedFeeRecipient": _FEE_RECIPIENT,
            "withdrawals": engine_payload(
                spec.ExecutionPayload(withdrawals=spec.get_expected_withdrawals(state).withdrawals)
            )["withdrawals"],
            "parentBeaconBlockRoot": "0x" + parent.root.hex(),
        }
        name = self._choose(parent, attributes)
        if name is None:
            raise EngineError("the execution client began no block")
        built = self._engine.payload(name, timestamp)
        requests = spec.get_execution_requests([_bytes(item) for item in built["executionRequests"]])
        return read_payload(spec, built["executionPayload"]), requests

    def _choose(self, head: Block, attributes: dict[str, Any] | None = None) -> str | None:
        safe, finalized = (
            self._blocks.get(bytes(checkpoint.root), self.genesis)
            for checkpoint in (head.state.current_justified_checkpoint, head.state.finalized_checkpoint)
        )
        return self._engine.choose(
            _execution_hash(head), _execution_hash(safe), _execution_hash(finalized), attributes
        )

    def _sync_aggregate(self, spec: Any, state: Any, slot: int, root: bytes) -> Any:
        """The committee's signature of the parent.

        Every third block some members are absent, at most a quarter.
        """
        places = [self._index(state, key) for key in state.current_sync_committee.pubkeys]
        absent: set[int] = set()
        if slot % 3 == 0:
            absent = set(self._random.sample(range(len(places)), self._random.randint(1, len(places) // 4)))
        domain = spec.get_domain(
            state, spec.DOMAIN_SYNC_COMMITTEE, spec.compute_epoch_at_slot(spec.Slot(slot - 1))
        )
        signing_root = spec.compute_signing_root(spec.Root(root), domain)
        # One key sits in several places; its signature is the same.
        signatures = {index: self._bls.Sign(self._keys[index], signing_root) for index in set(places)}
        return spec.SyncAggregate(
            sync_committee_bits=[at not in absent for at in range(len(places))],
            sync_committee_signature=self._bls.Aggregate(
                [signatures[index] for at, index in enumerate(places) if at not in absent]
            ),
        )

    def _attestations(self, spec: Any, state: Any, slot: int) -> list[Any]:
        """Everybody's votes for the slots since the last block that carried some."""
        helpers = importlib.import_module(f"{_SPECIFICATION}.test.helpers.attestations")
        first = max(self._voted + 1, slot - _MAX_ATTESTATIONS, 1)
        votes = [
            helpers.get_valid_attestation_at_slot(state, spec, spec.Slot(at)) for at in range(first, slot)
        ]
        self._voted = slot - 1
        return votes

    def _sign(self, spec: Any, state: Any, slot: int, domain_type: Any, what: Any) -> Any:
        key = self._keys[int(spec.get_beacon_proposer_index(state))]
        domain = spec.get_domain(state, domain_type, spec.compute_epoch_at_slot(spec.Slot(slot)))
        return self._bls.Sign(key, spec.compute_signing_root(what, domain))

    def _offer_update(self, block: Block, attested: Block) -> None:
        """Keep the update that a block makes for its parent, where it is the best of its period."""
        spec = block.spec
        if attested is self.genesis:
            return
        final = self._blocks.get(bytes(attested.state.finalized_checkpoint.root))
        update = spec.create_light_client_update(
            block.state,
            block.signed,
            attested.state,
            attested.signed,
            None if final is None else final.signed,
        )
        self.newest_update = (spec, update)
        period = int(spec.compute_sync_committee_period_at_slot(attested.signed.message.slot))
        known = self.best_updates.get(period)
        if known is None or spec.is_better_update(update, known[1]):
            self.best_updates[period] = (spec, update)

    def _remember(self, block: Block) -> None:
        self.head = block
        self._blocks[block.root] = block
        needed = {self.genesis.root, self.finalized.root, self.justified.root}
        for root in list(self._blocks)[: max(0, len(self._blocks) - _KEPT)]:
            if root not in needed:
                del self._blocks[root]

    def _index(self, state: Any, key: bytes) -> int:
        for index, validator in enumerate(state.validators):
            if validator.pubkey == key:
                return index
        raise KeyError(key.hex())


def _execution_hash(block: Block) -> bytes:
    return bytes(block.state.latest_execution_payload_header.block_hash)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
