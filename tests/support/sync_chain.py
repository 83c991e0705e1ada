# SPDX-License-Identifier: MIT
"""A chain as light clients see it: real committees and signatures over trees that hold what is asked
for and noise.

chain = SyncChain(config)
store = initialize_light_client_store(*chain.bootstrap(Slot(8)), config)
update = chain.update(attested=Slot(20), finalized=Slot(10), signature=Slot(21))
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from light_clients import bls
from light_clients.ethereum.config import (
    MINIMAL,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Period,
    Preset,
    Slot,
)
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientOptimisticUpdate,
    LightClientUpdate,
    SyncAggregate,
    SyncCommittee,
)
from light_clients.ethereum.execution import ExecutionPayloadHeader
from light_clients.ethereum.forks import LAYOUTS
from light_clients.ethereum.signing import DOMAIN_SYNC_COMMITTEE, compute_domain, compute_signing_root


def digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


class Tree:
    """A Merkle tree that holds what is given at its generalized indices, and noise elsewhere."""

    def __init__(self, leaves: Mapping[int, bytes], seed: object) -> None:
        self.leaves = dict(leaves)
        self.seed = seed
        self.inner = {1} | {leaf >> up for leaf in leaves for up in range(1, leaf.bit_length())}

    def node(self, gindex: int) -> bytes:
        if gindex in self.leaves:
            return self.leaves[gindex]
        if gindex in self.inner and self.leaves:
            return hashlib.sha256(self.node(2 * gindex) + self.node(2 * gindex + 1)).digest()
        return digest(self.seed, gindex)

    @property
    def root(self) -> bytes:
        return self.node(1)

    def branch(self, gindex: int) -> tuple[bytes, ...]:
        return tuple(self.node((gindex >> up) ^ 1) for up in range(gindex.bit_length() - 1))


def network(**epochs: int) -> NetworkConfig:
    """A minimal network with these forks: network(altair=0, capella=2)."""
    return NetworkConfig(
        preset=MINIMAL,
        genesis_time=1_700_000_000,
        genesis_validators_root=digest("genesis", tuple(epochs.items())),
        slot_duration_ms=6000,
        forks=tuple(
            Fork(ForkName.parse(name), Epoch(epoch), bytes((ForkName.parse(name), 0, 0, 1)))
            for name, epoch in epochs.items()
        ),
    )


@cache
def secrets_of(period: int, preset: Preset) -> tuple[int, ...]:
    return tuple(
        int.from_bytes(digest("secret", period, at)[:16], "big") + 1
        for at in range(preset.sync_committee_size)
    )


@cache
def committee_of(period: int, preset: Preset) -> SyncCommittee:
    library = bls.backend()
    keys = [library.secret_to_public(secret) for secret in secrets_of(period, preset)]
    return SyncCommittee(tuple(key.compressed for key in keys), library.aggregate(keys).compressed)


@dataclass
class SyncChain:
    """A chain of one network; whatever is asked for twice is the same twice."""

    config: NetworkConfig
    fork_name: str = "one"
    gas_used: int = 21_000

    def committee(self, period: int) -> SyncCommittee:
        return committee_of(period, self.config.preset)

    def header(self, slot: Slot, state_root: bytes | None = None) -> LightClientHeader:
        fork = self.config.fork_at_slot(slot).name
        layout, seed = LAYOUTS[fork], (self.fork_name, slot)
        execution, block_hash, body = None, None, Tree({}, seed)
        if layout.execution is not None:
            execution = ExecutionPayloadHeader(
                state_root=digest(seed, "state"),
                block_number=1000 + slot,
                gas_used=self.gas_used,
                timestamp=self.config.timestamp_at(slot),
                extra_data=b"postroad",
                block_hash=digest(seed, "hash"),
            ).in_form_of(fork)
            body = Tree({layout.execution: execution.hash_tree_root()}, seed)
        elif layout.execution_block_hash is not None:
            block_hash = digest(seed, "hash")
            body = Tree({layout.execution_block_hash: block_hash}, seed)
        return LightClientHeader(
            beacon=BeaconBlockHeader(
                slot=slot,
                proposer_index=slot % 64,
                parent_root=digest(seed, "parent"),
                state_root=digest(seed, "state root") if state_root is None else state_root,
                body_root=body.root,
            ),
            execution=execution,
            execution_branch=() if layout.execution_branch is None else body.branch(layout.execution_branch),
            execution_block_hash=block_hash,
        )

    def state(self, slot: Slot, finalized_root: bytes = bytes(32)) -> Tree:
        layout, period = LAYOUTS[self.config.fork_at_slot(slot).name], self.config.period_at(slot)
        return Tree(
            {
                layout.finalized_root: finalized_root,
                layout.current_sync_committee: self.committee(period).hash_tree_root(),
                layout.next_sync_committee: self.committee(period + 1).hash_tree_root(),
            },
            (self.fork_name, slot, "state"),
        )

    def bootstrap(self, slot: Slot) -> tuple[bytes, LightClientBootstrap]:
        """The block's root, and its bootstrap."""
        layout, state = LAYOUTS[self.config.fork_at_slot(slot).name], self.state(slot)
        header = self.header(slot, state.root)
        return header.beacon.hash_tree_root(), LightClientBootstrap(
            header, self.committee(self.config.period_at(slot)), state.branch(layout.current_sync_committee)
        )

    def update(
        self,
        attested: int,
        finalized: int | None,
        signature: int | None = None,
        *,
        participants: int | None = None,
        shows_committee: bool = True,
        version: bytes | None = None,
    ) -> LightClientUpdate:
        """An update; `participants` members sign, all by default; `version` signs under another fork's."""
        at, signed = Slot(attested), Slot(attested + 1 if signature is None else signature)
        layout = LAYOUTS[self.config.fork_at_slot(at).name]
        final = LightClientHeader() if not finalized else self.header(Slot(finalized))
        root = final.beacon.hash_tree_root() if finalized else bytes(32)
        state = self.state(at, root)
        header = self.header(at, state.root)
        following = self.committee(self.config.period_at(at) + 1)
        return LightClientUpdate(
            attested_header=header,
            next_sync_committee=following if shows_committee else None,
            next_sync_committee_branch=state.branch(layout.next_sync_committee) if shows_committee else (),
            finalized_header=final,
            finality_branch=() if finalized is None else state.branch(layout.finalized_root),
            sync_aggregate=self.sign(header.beacon, signed, participants, version),
            signature_slot=signed,
        )

    def sign(
        self,
        header: BeaconBlockHeader,
        signature_slot: Slot,
        participants: int | None = None,
        version: bytes | None = None,
    ) -> SyncAggregate:
        config, size = self.config, self.config.preset.sync_committee_size
        count = size if participants is None else participants
        if version is None:
            version = config.fork_at_slot(Slot(max(signature_slot - 1, 0))).version
        domain = compute_domain(DOMAIN_SYNC_COMMITTEE, version, config.genesis_validators_root)
        message = compute_signing_root(header.hash_tree_root(), domain)
        secrets = secrets_of(Period(config.period_at(signature_slot)), config.preset)[:count]
        total = sum(secrets) % bls.GROUP_ORDER
        signature = bls.backend().sign(total, message) if secrets else bls.INFINITY_SIGNATURE
        return SyncAggregate(tuple(at < count for at in range(size)), signature)


def finality_of(update: LightClientUpdate) -> LightClientFinalityUpdate:
    """What a node serves of an update as its finality update."""
    return LightClientFinalityUpdate(
        update.attested_header,
        update.finalized_header,
        update.finality_branch,
        update.sync_aggregate,
        update.signature_slot,
    )


def optimistic_of(update: LightClientUpdate) -> LightClientOptimisticUpdate:
    """What a node serves of an update as its optimistic update."""
    return LightClientOptimisticUpdate(update.attested_header, update.sync_aggregate, update.signature_slot)
