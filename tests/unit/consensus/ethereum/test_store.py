# SPDX-License-Identifier: MIT
"""The trusted state in the journal: it goes out and comes back, and an operator's newer checkpoint wins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.ethereum.config import Slot
from relayer.consensus.ethereum.prover import EthereumProver
from tests.support.ethereum import (
    SPE,
    Beacon,
    Execution,
    Node,
    World,
    make_prover,
)


async def test_state_goes_out_and_comes_back(world: World) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    state = prover.export_state()
    assert prover.export_state() is state
    beacon = Beacon([Node(world.chain)])
    again = make_prover(world, beacon)
    again.import_state(state)
    assert again.client == prover.client
    assert (await again.verify_head(world.head())) == world.finalized()
    assert "bootstrap" not in beacon.asked
    assert len(state) < 2 * 48 * 33 + 1_500


async def test_a_newer_checkpoint_wins_over_an_old_state(world: World) -> None:
    """An operator who writes a new root into the configuration is heard."""
    old = make_prover(world)
    await old.verify_head(world.head())
    state = old.export_state()
    world.advance(9 * SPE)
    world.keep_checkpoint()
    for slot in (None, world.checkpoint_slot):
        beacon = Beacon([Node(world.chain)])
        fresh = make_prover(world, beacon, slot=slot)
        fresh.import_state(state)
        world.advance(world.slot + 2 * SPE)
        await fresh.verify_head(world.head())
        assert "bootstrap" in beacon.asked
    # An older checkpoint, told with its slot, does not undo what was followed since.
    world.checkpoint, beacon = b"\x01" * 32, Beacon([Node(world.chain)])
    kept = make_prover(world, beacon, slot=Slot(SPE))
    kept.import_state(state)
    assert kept.client == old.client


@pytest.mark.parametrize("state", [b"\0", b"{}", b"\xff" * 40])
def test_what_is_no_state_is_refused(world: World, state: bytes) -> None:
    prover = make_prover(world)
    with pytest.raises(ValueError, match="state"):
        prover.import_state(state)


async def test_another_networks_state_is_refused(world: World) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    elsewhere = replace(world.bootstrap(), network=replace(world.network, genesis_validators_root=b"\2" * 32))
    with pytest.raises(ValueError, match="genesis root"):
        EthereumProver(Execution(), Beacon([]), elsewhere, world.now).import_state(prover.export_state())
