# SPDX-License-Identifier: MIT
"""Light clients on destinations as they are read: whose they are, and which proofs they can still believe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from light_clients.client import Status
from light_clients.errors import Rejection
from light_clients.ethereum.config import ForkName, Slot
from light_clients.ethereum.params import EthereumParams
from relayer.errors import (
    RpcAnswerInvalid,
)
from tests.support.ethereum import (
    CONFIRMED,
    GATEWAY,
    NEXT,
    PERIOD,
    SPE,
    STORAGE_SLOT,
    World,
    make_destination,
    make_prover,
)


async def test_a_client_is_read_as_its_contract_tells(world: World) -> None:
    prover = make_prover(world)
    header = await prover.verify_head(world.head())
    found = await prover.client_at(make_destination(world, prover), GATEWAY)  # type: ignore[arg-type]
    assert (found.status, found.height, found.current) == (Status.ACTIVE, 3 * SPE, True)
    assert found.timestamp == world.network.timestamp_at(Slot(3 * SPE))
    assert (found.proofs_from, found.anchored) == (header.number, 0)


async def test_proofs_of_a_forgotten_committee_are_told(world: World) -> None:
    """What the seam calls `proofs_from`: the contract refuses older ones once it has moved on."""
    prover = make_prover(world)
    early = await prover.verify_head(world.head())
    (old,) = await prover.prove(early, GATEWAY, (STORAGE_SLOT,))
    destination = make_destination(world, prover)
    world.advance(PERIOD + 3)
    middle = await prover.verify_head(world.head())
    world.advance(2 * PERIOD + 3)
    newest = await prover.verify_head(world.head())
    destination.now = world.now()
    destination.apply(await prover.updates_for(destination, GATEWAY))  # type: ignore[arg-type]
    found = await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]
    assert early.number < middle.number <= found.proofs_from <= newest.number
    with pytest.raises(Rejection):
        destination.client.storage_at(old.proof, GATEWAY, STORAGE_SLOT, world.timestamp)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"genesis_validators_root": b"\x01" * 32}, "another network"),
        ({"genesis_time": 5}, "another network"),
        ({"slots_per_epoch": 32}, "another network"),
    ],
)
async def test_a_client_of_another_network_is_refused(
    world: World, change: dict[str, Any], message: str
) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    params = replace(destination.client.params, **change)
    destination.client = replace(destination.client, params=params)
    with pytest.raises(RpcAnswerInvalid, match=message):
        await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]


async def test_a_client_that_lacks_a_fork_is_refused_once_it_is_in_force() -> None:
    world = World([(ForkName.DENEB, 0), (ForkName.ELECTRA, 8)])
    world.advance(CONFIRMED)
    world.keep_checkpoint()
    world.advance(NEXT)
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    params: EthereumParams = destination.client.params
    destination.client = replace(destination.client, params=replace(params, forks=params.forks[:1]))
    await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]
    world.advance(8 * SPE)
    with pytest.raises(RpcAnswerInvalid, match="fork of epoch 8"):
        await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]
