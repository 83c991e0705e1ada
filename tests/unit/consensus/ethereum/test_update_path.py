# SPDX-License-Identifier: MIT
"""Leading light clients on destinations to newer headers: one update a period, and renewals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.ethereum.client import EthereumClient
from light_clients.ethereum.config import Period, Slot
from relayer.errors import (
    ClientExpired,
    ClientFrozen,
    NotFoundYet,
)
from tests.support.ethereum import (
    GATEWAY,
    NEXT,
    PERIOD,
    SPE,
    STORAGE_SLOT,
    Beacon,
    BeaconDestination,
    Node,
    World,
    make_destination,
    make_prover,
)


async def test_a_client_needs_no_update_while_it_knows_who_signs(world: World) -> None:
    """Mainnet's gas: two periods go by one update."""
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    states = []
    for slot in range(NEXT, 3 * PERIOD + SPE, SPE // 2):
        world.advance(slot)
        destination.now = world.now()
        header = await prover.verify_head(world.head())
        found = await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]
        if not found.current:
            updates = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
            destination.apply(updates)
            states.append((slot // PERIOD, len(updates)))
            found = await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]
            assert found.current
        assert found.proofs_from <= header.number
        (proven,) = await prover.prove(header, GATEWAY, (STORAGE_SLOT,))
        destination.client.storage_at(proven.proof, GATEWAY, STORAGE_SLOT, world.timestamp)
    # Its own period and the next one are known from the start.
    assert states == [(2, 1), (3, 1)]


async def test_a_client_that_was_away_gets_one_update_a_period(world: World) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    world.advance(5 * PERIOD + 4 * SPE)
    fresh = make_prover(world, Beacon([Node(world.chain)]))
    fresh.import_state(prover.export_state())
    await fresh.verify_head(world.head())
    destination.now = world.now()
    updates = await fresh.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    assert len(updates) == 4
    destination.apply(updates)
    assert (await fresh.client_at(destination, GATEWAY)).current  # type: ignore[arg-type]


async def test_a_client_that_knows_no_next_committee_learns_it(world: World) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    committee = world.chain.committee(Period(0)).hash_tree_root()
    world.advance(PERIOD + 3 * SPE)
    await prover.verify_head(world.head())
    start = EthereumClient.bootstrap(prover.client.params, Slot(SPE), committee)
    destination = BeaconDestination(start, world.now())
    assert not (await prover.client_at(destination, GATEWAY)).current  # type: ignore[arg-type]
    (update,) = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    destination.apply((update,))
    assert destination.client.state.next_committee is not None
    assert (await prover.client_at(destination, GATEWAY)).current  # type: ignore[arg-type]


async def test_a_client_that_asks_for_more_signers_than_we_do_gets_an_update_by_so_many(world: World) -> None:
    """The update that we followed is not asked for again; a node's best one may have become better since."""
    prover = make_prover(world)
    await prover.verify_head(world.head())
    start = prover.client
    world.advance(PERIOD + 4 * SPE, participation=24 / 32)
    await prover.verify_head(world.head())
    strict = replace(start, params=replace(start.params, threshold=30))
    destination = BeaconDestination(strict, world.now())
    with pytest.raises(NotFoundYet, match="24 members"):
        await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    world.advance(2 * PERIOD + 4 * SPE)
    await prover.verify_head(world.head())
    destination.now = world.now()
    destination.apply(await prover.updates_for(destination, GATEWAY))  # type: ignore[arg-type]
    assert (await prover.client_at(destination, GATEWAY)).current  # type: ignore[arg-type]


async def test_a_known_committee_has_its_trust_renewed_by_the_newest_finality(world: World) -> None:
    beacon = Beacon([Node(world.chain)])
    prover = make_prover(world, beacon)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    world.advance(7 * SPE)
    destination.now = world.now()
    beacon.forget()
    # Nobody looked for a newer header meanwhile: the renewal does.
    (renewal,) = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    assert "finality" in beacon.asked
    destination.apply((renewal,))
    assert destination.client.state.finalized_slot == 4 * SPE
    assert await prover.updates_for(destination, GATEWAY) == ()  # type: ignore[arg-type]


async def test_a_renewal_never_leaves_a_client_without_the_next_committee(world: World) -> None:
    """Nodes keep one update a period: a client that moved past it could never learn the next committee."""
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    world.advance(PERIOD + 6 * SPE)
    await prover.verify_head(world.head())
    destination.now = world.now()
    assert (await prover.client_at(destination, GATEWAY)).current  # type: ignore[arg-type]
    destination.apply(await prover.updates_for(destination, GATEWAY))  # type: ignore[arg-type]
    assert destination.client.state.finalized_slot >= PERIOD
    assert destination.client.state.next_committee == world.chain.committee(Period(2)).hash_tree_root()


async def test_a_client_that_no_update_can_help_says_so(world: World) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    destination.now += 200_000
    with pytest.raises(ClientExpired):
        await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    state = replace(destination.client.state, frozen=True)
    destination.client = replace(destination.client, state=state)
    with pytest.raises(ClientFrozen):
        await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
