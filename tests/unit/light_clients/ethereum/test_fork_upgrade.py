# SPDX-License-Identifier: MIT
"""Objects in the form of later forks mean what they meant, and verify as they did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.ethereum.config import MINIMAL, ForkName, Slot
from light_clients.ethereum.containers import LightClientHeader, LightClientUpdate
from light_clients.ethereum.fork_upgrade import (
    upgrade_lc_bootstrap,
    upgrade_lc_finality_update,
    upgrade_lc_header,
    upgrade_lc_optimistic_update,
    upgrade_lc_store,
    upgrade_lc_update,
)
from light_clients.ethereum.light_client_header import get_lc_execution_root, validate_light_client_header
from light_clients.ethereum.sync_protocol import (
    LightClientStore,
    initialize_light_client_store,
    process_light_client_finality_update,
    process_light_client_optimistic_update,
    process_light_client_update,
)
from tests.support.sync_chain import SyncChain, finality_of, network, optimistic_of

CONFIG = network(altair=0, bellatrix=1, capella=2, deneb=3, electra=4, fulu=5, gloas=6)
CHAIN = SyncChain(CONFIG)
LATE = Slot(10_000)
PAIRS = [
    (slot, fork)
    for slot in (12, 20, 28, 36, 44)
    for fork in ForkName
    if fork > CONFIG.fork_at_slot(Slot(slot)).name
]


@pytest.mark.parametrize(("slot", "fork"), PAIRS)
def test_an_upgraded_header_holds_and_has_the_same_execution_root(slot: int, fork: ForkName) -> None:
    header = CHAIN.header(Slot(slot))
    upgraded = upgrade_lc_header(header, fork, CONFIG)
    validate_light_client_header(upgraded, CONFIG)
    assert upgraded.beacon == header.beacon
    assert get_lc_execution_root(upgraded, CONFIG) == get_lc_execution_root(header, CONFIG)
    data = upgraded.encode_ssz(fork, MINIMAL)
    assert LightClientHeader.decode_ssz(data, fork, MINIMAL) == upgraded
    assert upgrade_lc_header(upgraded, fork, CONFIG) == upgraded


@pytest.mark.parametrize(("slot", "fork"), PAIRS)
def test_an_upgraded_update_is_accepted_as_before(slot: int, fork: ForkName) -> None:
    root, bootstrap = CHAIN.bootstrap(Slot(8))
    upgraded = upgrade_lc_bootstrap(bootstrap, fork, CONFIG)
    store = initialize_light_client_store(root, upgraded, CONFIG)
    update = CHAIN.update(slot, slot - 2)
    later = upgrade_lc_update(update, fork, CONFIG)
    data = later.encode_ssz(fork, MINIMAL)
    assert LightClientUpdate.decode_ssz(data, fork, MINIMAL) == later
    after = process_light_client_update(store, later, LATE, CONFIG)
    assert after.finalized_header.beacon == update.finalized_header.beacon
    finality = upgrade_lc_finality_update(finality_of(update), fork, CONFIG)
    optimistic = upgrade_lc_optimistic_update(optimistic_of(update), fork, CONFIG)
    known = replace(store, next_sync_committee=CHAIN.committee(1))
    process_light_client_finality_update(known, finality, LATE, CONFIG)
    process_light_client_optimistic_update(known, optimistic, LATE, CONFIG)


def test_a_store_goes_through_all_forks() -> None:
    store = initialize_light_client_store(*CHAIN.bootstrap(Slot(4)), CONFIG)
    held = process_light_client_update(store, CHAIN.update(6, None, participants=3), LATE, CONFIG)
    assert held.best_valid_update is not None
    steps = [
        (16, ForkName.CAPELLA),
        (24, ForkName.DENEB),
        (32, ForkName.ELECTRA),
        (48, ForkName.GLOAS),
    ]
    for slot, fork in steps:
        held = upgrade_lc_store(held, fork, CONFIG)
        assert held.best_valid_update is not None
        held = process_light_client_update(held, CHAIN.update(slot, slot - 7, participants=5), LATE, CONFIG)
        assert held.optimistic_header.beacon.slot == slot
    best = held.best_valid_update
    assert best is not None
    assert len(best.next_sync_committee_branch) == 11
    done = process_light_client_update(held, CHAIN.update(56, 50), LATE, CONFIG)
    assert done.finalized_header.execution_block_hash is not None


def test_what_is_absent_stays_absent() -> None:
    update = CHAIN.update(12, None, shows_committee=False)
    for fork in ForkName:
        upgraded = upgrade_lc_update(update, fork, CONFIG)
        assert upgraded.finality_branch == upgraded.next_sync_committee_branch == ()
        assert upgraded.finalized_header == LightClientHeader()


def test_nothing_goes_back_from_gloas() -> None:
    store = initialize_light_client_store(*CHAIN.bootstrap(Slot(48)), CONFIG)
    with pytest.raises(ValueError, match="form of gloas"):
        upgrade_lc_store(store, ForkName.FULU, CONFIG)
    assert isinstance(upgrade_lc_store(store, ForkName.GLOAS, CONFIG), LightClientStore)


def test_the_hash_stands_where_the_specification_says() -> None:
    # 412 and 812: the payload's place in the body, then field 12 of 16 or of 32 places.
    for slot, depth in ((20, 8), (28, 9)):
        upgraded = upgrade_lc_header(CHAIN.header(Slot(slot)), ForkName.GLOAS, CONFIG)
        branch = upgraded.execution_branch
        assert len(branch) == 11
        assert [node == bytes(32) for node in branch[: 11 - depth]] == [True] * (11 - depth)
        execution = CHAIN.header(Slot(slot)).execution
        assert execution is not None
        assert branch[11 - depth] == execution.transactions_root
