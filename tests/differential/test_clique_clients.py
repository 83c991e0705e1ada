# SPDX-License-Identifier: MIT
"""INV-8 for Clique: Python and Solidity accept exactly the same runs of headers, and say the same of them.

POSTROAD_DIFFERENTIAL_CASES and POSTROAD_DIFFERENTIAL_SEED are as in test_bft_clients.py.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from light_clients.errors import Rejection
from relayer.contracts import load
from tests.differential.chances import SEED, case_count
from tests.differential.clients import Case, Deployed, check_both_ways, compare, deploy, trusting_a_set
from tests.differential.clique_cases import (
    BREAKS,
    NOW,
    TRUSTED_TIME,
    World,
    anchor_of,
    break_block,
    break_bytes,
    make_case,
    make_chain,
    make_world,
)
from tests.differential.evm import Anvil
from tests.support.clique import Chain, Sealed, wire_run, wire_set

#: Signers, epoch, extra depth.
WORLDS = [(1, 7, 0), (2, 5, 0), (3, 30_000, 0), (4, 6, 0), (4, 30_000, 2), (5, 1, 0), (7, 12, 1), (21, 9, 0)]
CLIQUE = trusting_a_set("CliqueLightClient")


def deploy_world(anvil: Anvil, authority: bytes, world: World, story: list[Case]) -> Deployed:
    state, params = world.client.state, world.client.params
    creation = load(CLIQUE.contract).encode_creation(
        authority,
        params.epoch,
        params.extra_depth,
        world.signers,
        state.height,
        state.timestamp,
        params.trusting_period_s,
        params.max_clock_drift_s,
    )
    return deploy(anvil, CLIQUE, world.client, creation, story, TRUSTED_TIME)


def compare_worlds(anvil: Anvil, authority: bytes, seed: int, count: int) -> None:
    verdicts: Counter[tuple[str, bool]] = Counter()
    for index, (size, epoch, extra_depth) in enumerate(WORLDS):
        rng = random.Random(f"{seed} {size} {epoch}")
        world = make_world(rng, size, epoch, extra_depth)
        story = [Case("anchor", anchor_of(world), now=NOW)] if index % 4 else []
        deployed = deploy_world(anvil, authority, world, story)
        cases = [make_case(rng, world) for _ in range(count // len(WORLDS))]
        verdicts += compare(anvil, deployed, cases, f"seed {seed}, {size} signers, epoch {epoch}")
    check_both_ways(verdicts)


def test_clients_believe_the_same(anvil: Anvil, authority: bytes) -> None:
    """INV-8: the same word, height and time, the same state afterwards, or a rejection on both sides."""
    compare_worlds(anvil, authority, SEED, case_count(12_000) // 6)


def test_frozen_clients_believe_nothing_on_both_sides(anvil: Anvil, authority: bytes) -> None:
    """INV-7 and INV-8."""
    rng = random.Random(SEED)
    world = make_world(rng, 4, 30_000, 0)

    def freezes(case: Case) -> bool:
        try:
            return world.client.freeze(case.data).state.frozen
        except Rejection:
            return False

    cases = (make_case(random.Random(seed), world) for seed in range(10_000))
    found = next(filter(freezes, cases))
    deployed = deploy_world(anvil, authority, world, [Case("freeze", found.data, now=NOW)])
    verdicts = compare(anvil, deployed, [make_case(rng, world) for _ in range(60)], "frozen")
    assert not any(believed for (_, believed), often in verdicts.items() if often)


#: Which of the ways to break a block leave it a good one.
HARMLESS = {"high s", "fields", "out of turn"}


@pytest.mark.parametrize("what", BREAKS)
def test_every_rule_refuses_what_breaks_it_alone(anvil: Anvil, authority: bytes, what: str) -> None:
    """INV-7 and INV-8: one block of an anchor's run breaks one rule, properly signed, and both refuse it."""
    rng = random.Random(f"{SEED} {what}")
    world = make_world(rng, 5, 12, 0)
    deployed = deploy_world(anvil, authority, world, [])
    cases, count = [], world.depth + 1
    for broken in range(count):
        for _ in range(4):
            # The broken block is the epoch block where the rule is about those.
            number = 12 - broken if what in {"listed", "epoch votes", "epoch adds"} else 13
            number = 1 if what == "genesis" else number
            chain = make_chain(rng, world, number, TRUSTED_TIME + 50)
            sets, blocks = [], []
            for at in range(count):
                sets.append(tuple(world.signers))
                blocks.append(chain.append(break_block(rng, chain, what)) if at == broken else chain.mine())
            if not breaks(what, blocks, broken, world):
                continue
            data = wire_run(blocks, sets)
            data[broken] = break_bytes(rng, data[broken], what, len(world.signers))
            cases.append(Case("anchor", wire_set(world.signers) + b"".join(data), now=NOW))
    assert cases
    verdicts = compare(anvil, deployed, cases, what)
    assert verdicts == {("anchor", what in HARMLESS): len(cases)}


def breaks(what: str, blocks: list[Sealed], broken: int, world: World) -> bool:
    """Whether the block is really broken: some choices happen to be good."""
    sealed = blocks[broken]
    draft = sealed.draft
    match what:
        case "too soon":
            before = [block.signer for block in blocks[:broken]][-(len(world.signers) // 2) :]
            return sealed.signer in before
        case "stranger":
            return sealed.signer not in world.signers
        case "time":
            return broken > 0 and draft.timestamp < blocks[broken - 1].draft.timestamp
        case "parent" | "gap":
            return broken > 0
        case "genesis":
            return broken == 0
        case "listed":
            return draft.listed != tuple(world.signers)
    return True


#: What an update breaks, and whether it is good all the same.
UPDATE_BREAKS = {
    "nothing": True,
    "votes of half": False,
    "too few behind": False,
    "too late": False,
    "list": True,
    "list of a minority": False,
    "list of no epoch block": False,
    "height": False,
    "time": False,
    "future": False,
    "form": False,
}


@pytest.mark.parametrize("what", UPDATE_BREAKS)
def test_every_rule_of_an_update_refuses_what_breaks_it_alone(
    anvil: Anvil, authority: bytes, what: str
) -> None:
    """INV-7 and INV-8: all of its headers are properly signed, and both sides refuse it."""
    rng = random.Random(f"{SEED} {what}")
    world = make_world(rng, 4, 12, 0)
    deployed = deploy_world(anvil, authority, world, [])
    cases = [Case("update", break_update(rng, world, what), now=NOW) for _ in range(8)]
    assert compare(anvil, deployed, cases, what) == {("update", UPDATE_BREAKS[what]): len(cases)}


def break_update(rng: random.Random, world: World, what: str) -> bytes:
    """An update of a client that trusts four signers at height 10, by votes or by the list of block 12."""
    number = {"height": 4, "list of no epoch block": 13}.get(what, 12 if what.startswith("list") else 13)
    time = {"time": TRUSTED_TIME - 60, "future": NOW + 1000}.get(what, TRUSTED_TIME + 50)
    joining = next(key for key in sorted(world.keys) if key not in world.signers)
    listed = None
    if what.startswith("list"):
        strangers = [key for key in world.keys if key not in world.signers]
        # Two of the four trusted ones are no majority.
        listed = sorted(
            [*world.signers[:2], *strangers[:2]]
            if what == "list of a minority"
            else [*world.signers, joining]
        )
    chain = make_chain(rng, world, number, time, listed)
    first = sorted(chain.snapshot.signers)
    sets = []

    def mine(count: int, vote: tuple[bytes, bool] | None = None) -> None:
        for _ in range(count):
            sets.append(tuple(chain.snapshot.signers))
            chain.mine(vote, turn_of(chain))

    if listed is None:
        mine(2 if what == "votes of half" else 3, (joining, True))
        if what == "votes of half":
            chain.snapshot.signers = sorted([*chain.snapshot.signers, joining])
            chain.snapshot.votes = []
        # Two are enough headers with the votes, and one too few behind them.
        mine({"too few behind": 0, "too late": 2}.get(what, 4))
    else:
        mine(8)
    start = b"\0" if listed is None else b"\1" + wire_set(first)
    if what == "form":
        start = b"\2"
    run = b"".join(wire_run(chain.sealed, sets))
    return wire_set(world.signers) + start + bytes((len(chain.sealed),)) + run


def turn_of(chain: Chain) -> bytes:
    """Whose turn it is, or the next one that need not wait."""
    members = chain.snapshot.signers
    turn = chain.next.number % len(members)
    free = chain.snapshot.may_seal()
    return next(signer for signer in members[turn:] + members[:turn] if signer in free)
