# SPDX-License-Identifier: MIT
"""Whatever order updates come in, a store keeps what the sync protocol promises (INV-7)."""

from __future__ import annotations

import contextlib
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from light_clients.errors import Rejection
from light_clients.ethereum.config import Slot
from light_clients.ethereum.containers import LightClientUpdate
from light_clients.ethereum.sync_protocol import (
    initialize_light_client_store,
    is_better_update,
    process_light_client_store_force_update,
    process_light_client_update,
)
from tests.support.sync_chain import SyncChain, network

CONFIG = network(altair=0, capella=4, deneb=8, electra=16)
CHAIN = SyncChain(CONFIG)
NOW = Slot(10_000)


@cache
def update_of(
    attested: int, back: int, delay: int, participants: int, shows_committee: bool
) -> LightClientUpdate:
    finalized = None if back > attested else attested - back
    return CHAIN.update(
        attested, finalized, attested + delay, participants=participants, shows_committee=shows_committee
    )


updates = st.builds(
    update_of,
    st.integers(9, 200),
    st.sampled_from([8, 16, 24, 70, 999]),
    st.sampled_from([1, 1, 1, 2, 9]),
    st.sampled_from([1, 16, 21, 22, 32]),
    st.booleans(),
)


@given(st.lists(updates, max_size=12), st.booleans())
def test_a_store_only_moves_forward_and_knows_the_right_committees(
    stream: list[LightClientUpdate], force: bool
) -> None:
    store = initialize_light_client_store(*CHAIN.bootstrap(Slot(8)), CONFIG)
    for update in stream:
        before = store
        with contextlib.suppress(Rejection):
            store = process_light_client_update(store, update, NOW, CONFIG)
        moved = store.finalized_header != before.finalized_header
        participants = update.sync_aggregate.participants
        assert not moved or 3 * participants >= 2 * 32
        if force:
            store = process_light_client_store_force_update(store, NOW, CONFIG)
        slot = store.finalized_header.beacon.slot
        assert slot >= before.finalized_header.beacon.slot
        assert store.optimistic_header.beacon.slot >= slot
        period = CONFIG.period_at(slot)
        assert store.current_sync_committee == CHAIN.committee(period)
        assert store.next_sync_committee in (None, CHAIN.committee(period + 1))
        assert period - CONFIG.period_at(before.finalized_header.beacon.slot) in (0, 1)


@given(updates, updates, updates)
def test_ranking_is_an_order(
    first: LightClientUpdate, second: LightClientUpdate, third: LightClientUpdate
) -> None:
    assert not is_better_update(first, first, CONFIG)
    assert not (is_better_update(first, second, CONFIG) and is_better_update(second, first, CONFIG))
    if is_better_update(first, second, CONFIG) and is_better_update(second, third, CONFIG):
        assert is_better_update(first, third, CONFIG)
