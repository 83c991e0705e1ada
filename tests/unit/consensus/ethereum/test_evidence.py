# SPDX-License-Identifier: MIT
"""Misbehaviour of a sync committee: what is evidence, what is none, and what is refused until it is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from light_clients.ethereum.containers import LightClientFinalityUpdate, LightClientUpdate
from relayer.consensus.ethereum.local.misbehaviour import second_committee, second_finality
from relayer.errors import (
    ChainUnavailable,
    MisbehaviourFound,
)
from tests.support.ethereum import (
    NEXT,
    Beacon,
    Node,
    World,
    make_prover,
)


def twin_of_newest(world: World) -> LightClientUpdate:
    signed = world.chain.newest_signed
    assert signed is not None
    return second_finality(world.chain, *signed)


def as_finality(update: LightClientUpdate) -> LightClientFinalityUpdate:
    return LightClientFinalityUpdate(
        update.attested_header,
        update.finalized_header,
        update.finality_branch,
        update.sync_aggregate,
        update.signature_slot,
    )


async def test_two_finalized_headers_of_one_slot_are_evidence(world: World) -> None:
    """INV-7: whichever node shows the second one."""
    twin = twin_of_newest(world)
    finality = as_finality(twin)
    liar = Node(
        world.chain, lambda found: finality if isinstance(found, LightClientFinalityUpdate) else found
    )
    beacon = Beacon([Node(world.chain), liar])
    prover = make_prover(world, beacon)
    await prover.verify_head(world.head())
    data = await prover.look_for_misbehaviour()
    assert data is not None
    assert prover.client.freeze(data).state.frozen
    honest = make_prover(world, Beacon([Node(world.chain), Node(world.chain)]))
    assert await honest.look_for_misbehaviour() is None
    await honest.verify_head(world.head())
    assert await honest.look_for_misbehaviour() is None


async def test_two_next_committees_are_evidence(world: World) -> None:
    signed = world.chain.newest_signed
    assert signed is not None
    twin = second_committee(world.chain, *signed)
    liar = Node(world.chain, lambda found: twin if isinstance(found, LightClientUpdate) else found)
    prover = make_prover(world, Beacon([Node(world.chain), liar]))
    await prover.verify_head(world.head())
    data = await prover.look_for_misbehaviour()
    assert data is not None
    assert prover.client.freeze(data).state.frozen


async def test_the_second_header_found_while_following_stops_the_lane(world: World) -> None:
    signed = world.chain.newest_signed
    assert signed is not None
    node = Node(world.chain)
    prover = make_prover(world, Beacon([node]))
    await prover.verify_head(world.head())
    world.advance(NEXT + 1)
    twin = twin_of_newest(world)
    finality = as_finality(twin)
    node.tamper = lambda found: finality if isinstance(found, LightClientFinalityUpdate) else found
    with pytest.raises(MisbehaviourFound) as found:
        await prover.verify_head(world.head())
    assert prover.client.freeze(found.value.freeze_data).state.frozen


def tell_twin(world: World) -> Callable[[Any], Any]:
    """A node's answers in which the second header of the newest finalized slot replaces the first."""
    twin = twin_of_newest(world)
    finality = as_finality(twin)

    def tell(found: Any) -> Any:
        if isinstance(found, LightClientFinalityUpdate):
            return finality
        return twin if isinstance(found, LightClientUpdate) else found

    return tell


@pytest.mark.parametrize("is_next_known", [True, False])
async def test_a_second_header_of_the_slot_that_was_trusted_before_a_restart_is_refused(
    world: World, is_next_known: bool
) -> None:
    """INV-7: no signature of the first is at hand, so it proves nothing yet; nor is it believed."""
    node = Node(world.chain)
    if not is_next_known:
        node.updates = lambda *_: ()  # type: ignore[method-assign]
    prover = make_prover(world, Beacon([node]))
    await prover.verify_head(world.head())
    assert (prover.client.state.next_committee is not None) == is_next_known
    beacon = Beacon([Node(world.chain, tell_twin(world))])
    again = make_prover(world, beacon)
    again.import_state(prover.export_state())
    with pytest.raises(ChainUnavailable, match="another finalized header of slot 24"):
        await again.verify_head(world.head())
    assert beacon.blamed == [0]
    assert again.client == prover.client
    # Another node shows the first header with its signature: now it is evidence.
    beacon.nodes.append(Node(world.chain))
    beacon.nodes[0].tamper = lambda found: found
    data = await again.look_for_misbehaviour()
    assert data is not None
    assert again.client.freeze(data).state.frozen
    world.advance(world.slot + 1)
    with pytest.raises(MisbehaviourFound) as found:
        await again.verify_head(world.head())
    assert prover.client.freeze(found.value.freeze_data).state.frozen
    assert again.client == prover.client


async def test_contradictions_that_nobody_signed_are_no_evidence(world: World) -> None:
    twin = twin_of_newest(world)
    unsigned = replace(
        twin, sync_aggregate=replace(twin.sync_aggregate, sync_committee_signature=b"\xc0" + bytes(95))
    )
    liar = Node(world.chain, lambda found: unsigned if isinstance(found, LightClientUpdate) else found)
    prover = make_prover(world, Beacon([Node(world.chain), liar]))
    await prover.verify_head(world.head())
    assert await prover.look_for_misbehaviour() is None
