# SPDX-License-Identifier: MIT
"""INV-8 for the Ethereum light client: Python and Solidity accept exactly the same, and are the same
afterwards.

POSTROAD_DIFFERENTIAL_CASES says how many cases are run (by default 4,000, and 60,000 in the test marked
long), and POSTROAD_DIFFERENTIAL_SEED from which seed. A difference is reported with its seed and its bytes.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from light_clients.ethereum.client import EthereumClient
from tests.differential.chances import SEED, case_count, new_seed
from tests.differential.clients import Deployed, check_both_ways, compare, deploy, live_on
from tests.differential.ethereum_cases import (
    SETTINGS,
    World,
    find_anchor,
    find_freeze,
    find_update,
    make_case,
    make_world,
)
from tests.differential.ethereum_twins import BEACON, creation_of
from tests.differential.evm import Anvil


def deploy_world(anvil: Anvil, authority: bytes, world: World, *, anchored: bool) -> Deployed:
    creation = creation_of(world.client, authority)
    story = [find_anchor(world)] if anchored else []
    return deploy(anvil, BEACON, world.client, creation, story, world.client.timestamp)


def moves_on(world: World, after: EthereumClient, *, rotating: bool) -> bool:
    """Whether trust has moved and can rotate, or has rotated."""
    before, period = world.client, after.params.period_at(after.state.finalized_slot)
    if rotating:
        return period > before.params.period_at(before.state.finalized_slot)
    return after != before and after.state.next_committee == world.committees[period + 1].root


def compare_worlds(anvil: Anvil, authority: bytes, seed: int, count: int) -> Counter[tuple[str, bool]]:
    """In each world: cases before and after trust moved,
    within its period and to the next one, and once frozen.
    """
    verdicts: Counter[tuple[str, bool]] = Counter()
    for index, setting in enumerate(SETTINGS):
        told = f"seed {seed}, world {index}"
        rng = random.Random(told)
        world = make_world(rng, setting)
        anchored = index % 4 != 1
        deployed = deploy_world(anvil, authority, world, anchored=anchored)
        world = replace(world, client=deployed.client)
        some = max(4, count // len(SETTINGS) // 3)
        verdicts += compare(
            anvil, deployed, [make_case(rng, world) for _ in range(some)], f"{told}, at first"
        )
        for rotating in (False, True):
            step = find_update(world, partial(moves_on, world, rotating=rotating))
            deployed, _ = live_on(anvil, deployed, step)
            world = replace(world, client=deployed.client)
            cases = [make_case(rng, world) for _ in range(some)]
            verdicts += compare(
                anvil, deployed, cases, f"{told}, after {'rotation' if rotating else 'an update'}"
            )
        deployed, _ = live_on(anvil, deployed, find_freeze(world))
        frozen = compare(anvil, deployed, [make_case(rng, world) for _ in range(4)], f"{told}, frozen")
        assert not any(believed for (_, believed), often in frozen.items() if often)
    return verdicts


def test_clients_believe_the_same(anvil: Anvil, authority: bytes) -> None:
    """INV-7, INV-8: the same word, height and time, the same state afterwards,
    or a rejection on both sides.
    """
    check_both_ways(compare_worlds(anvil, authority, SEED, case_count(4_000)), 10)


@pytest.mark.long
def test_at_length(anvil: Anvil, authority: bytes) -> None:
    """The same over as many cases as a release deserves, from a seed of the day unless one is given."""
    seed = new_seed()
    count, slices = case_count(60_000), 10
    for part in range(slices):
        check_both_ways(compare_worlds(anvil, authority, seed + part, count // slices), 10)
