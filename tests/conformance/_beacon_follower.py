# SPDX-License-Identifier: MIT
"""Reading stored light-client objects, and following a network through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from light_clients.codec.merkle_branch import (
    get_subtree_index,
    is_valid_merkle_branch,
    is_valid_normalized_merkle_branch,
)
from light_clients.errors import Rejection
from light_clients.ethereum.config import (
    MAINNET,
    ForkName,
    NetworkConfig,
    Slot,
)
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientOptimisticUpdate,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.sync_protocol import (
    LightClientStore,
    initialize_light_client_store,
    process_light_client_finality_update,
    process_light_client_optimistic_update,
    process_light_client_update,
    validate_light_client_update,
)
from tests.conformance.case import Case, expect, read_json, refuse
from tests.support.beacon_json import beacon_api

#: A time at which no update is from the future.
LATE = Slot(2**40)


def read(kind: type[Any], path: Path, fork: ForkName) -> Any:
    """A bare light-client object, in whatever form it was stored."""
    return kind.from_json(beacon_api(read_json(path), fork, MAINNET), fork, MAINNET)


def read_answers(kind: type[Any], path: Path) -> list[Any]:
    """The Beacon API's own answers: one object with its version, or a list of them."""
    answers = read_json(path)
    if not isinstance(answers, list):
        answers = [answers]
    return [kind.from_versioned_json(answer, MAINNET) for answer in answers]


def read_first(kind: type[Any], path: Path) -> Any:
    return read_answers(kind, path)[0]


def trust(
    header: BeaconBlockHeader, current: SyncCommittee, following: SyncCommittee | None = None
) -> LightClientStore:
    """A store that begins with committees that are given, where no bootstrap comes with them."""
    known = LightClientHeader(beacon=header)
    return LightClientStore(known, current, following, None, known, 0, 0)


class Follower:
    """A store on its way through a network's updates."""

    def __init__(self, config: NetworkConfig) -> None:
        self.config = config
        self.held: LightClientStore | None = None

    @property
    def store(self) -> LightClientStore:
        if self.held is None:
            raise AssertionError("what begins this chain was refused")
        return self.held

    def bootstrap(self, bootstrap: LightClientBootstrap) -> None:
        root = bootstrap.header.beacon.hash_tree_root()
        self.held = initialize_light_client_store(root, bootstrap, self.config)
        wrong = bytes(byte ^ 1 for byte in root)
        refuse(
            "another root", lambda: initialize_light_client_store(wrong, bootstrap, self.config), Rejection
        )

    def begin(self, store: LightClientStore) -> None:
        self.held = store

    def update(self, update: LightClientUpdate) -> None:
        before = self.store
        refuse_tampered(before, update, self.config)
        after = process_light_client_update(before, update, update.signature_slot, self.config)
        self.expect_finalized(after, before, update)
        if update.next_sync_committee is not None:
            expect("next committee", after.next_sync_committee, update.next_sync_committee)
        refuse(
            "an update from the future",
            lambda: process_light_client_update(before, update, Slot(update.signature_slot - 1), self.config),
            Rejection,
        )
        self.held = after

    def expect_finalized(
        self,
        after: LightClientStore,
        before: LightClientStore,
        update: LightClientUpdate | LightClientFinalityUpdate,
    ) -> None:
        # Some begin above the first update's finalized header: then that update only adds the next committee
        newer = update.finalized_header.beacon.slot > before.finalized_header.beacon.slot
        expected = update.finalized_header if newer else before.finalized_header
        expect("finalized", after.finalized_header, expected)

    def finality(self, update: LightClientFinalityUpdate) -> None:
        after = process_light_client_finality_update(self.store, update, update.signature_slot, self.config)
        self.expect_finalized(after, self.store, update)
        self.held = after

    def optimistic(self, update: LightClientOptimisticUpdate) -> None:
        after = process_light_client_optimistic_update(self.store, update, update.signature_slot, self.config)
        expect("optimistic", after.optimistic_header, update.attested_header)
        self.held = after


def flip(data: bytes) -> bytes:
    return bytes((data[0] ^ 1,)) + data[1:]


def refuse_tampered(store: LightClientStore, update: LightClientUpdate, config: NetworkConfig) -> None:
    """One bit off in any part that the signature or a branch covers."""
    attested = update.attested_header
    changed = {
        "the attested header": replace(
            update,
            attested_header=replace(
                attested, beacon=replace(attested.beacon, parent_root=flip(attested.beacon.parent_root))
            ),
        ),
        "the finality branch": replace(
            update, finality_branch=(*update.finality_branch[:-1], flip(update.finality_branch[-1]))
        ),
    }
    if update.next_sync_committee is not None:
        keys = update.next_sync_committee.pubkeys
        wrong = SyncCommittee((flip(keys[0]), *keys[1:]), update.next_sync_committee.aggregate_pubkey)
        changed["the next committee"] = replace(update, next_sync_committee=wrong)
    for what, wrong_update in changed.items():
        refuse(what, partial(validate_light_client_update, store, wrong_update, LATE, config), Rejection)


def follow(name: str, act: Callable[[Any], None], read_object: Callable[[], Any]) -> Case:
    return Case(name, lambda: act(read_object()))


def execution_state_root(store: LightClientStore) -> bytes:
    if store.finalized_header.execution is None:
        raise AssertionError("the finalized header shows no execution block")
    return store.finalized_header.execution.state_root


def check_branch(leaf: bytes, branch: Any, gindex: int, root: bytes) -> None:
    found = is_valid_normalized_merkle_branch(leaf, branch, gindex, root)
    expect(f"branch to {gindex}", found, True)
    wrong = (*branch[:-1], flip(branch[-1]))
    found = is_valid_merkle_branch(leaf, wrong, len(wrong), get_subtree_index(gindex), root)
    expect(f"tampered branch to {gindex}", found, False)
