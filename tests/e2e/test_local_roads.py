# SPDX-License-Identifier: MIT
"""What an application's tests get in one line: chains, a relayer, a road, contracts, faults."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

import relayer
from relayer.contracts import load
from relayer.devnet.errors import SpecError
from relayer.devnet.process.child_process import running_pids
from relayer.devnet.state.faults import Stall
from relayer.testing import RunningRoads, local_roads

# The fixtures of `relayer.testing.fixtures`, as `pytest_plugins` in a conftest.py would give them.
from relayer.testing.fixtures import postroad_roads, postroad_spec

__all__ = ["postroad_roads", "postroad_spec"]


@pytest.fixture
def roads(postroad_roads: RunningRoads) -> Iterator[RunningRoads]:
    yield postroad_roads
    postroad_roads.start_relayer()


def test_a_message_is_delivered_without_an_event_loop(roads: RunningRoads) -> None:
    port = roads.chains["port"]
    with roads.connect_blocking() as road:
        message = road.send("court", "port", to=port.postbox, payload=b"one line", deadline="10m")
        receipt = message.delivered(timeout="30s")
    assert receipt.message_id == message.id
    assert message.message.sender.hex() == roads.chains["court"].sender[2:].lower()


def test_contracts_are_deployed_and_called_with_web3(roads: RunningRoads) -> None:
    port = roads.chains["port"]
    postbox = load("Postbox")
    artifact = {"abi": postbox.abi, "bytecode": "0x" + postbox.encode_creation(port.gateway)[:-32].hex()}
    box = port.deploy(artifact, port.gateway)
    assert box.functions.gateway().call() == port.gateway
    with roads.connect_blocking() as road:
        road.send("court", "port", to=box.address, payload=b"to one's own").delivered(timeout="30s")
    (received,) = box.events.Received().get_logs(from_block=0)
    assert received["args"]["payload"] == b"to one's own"


async def test_a_message_waits_for_the_relayer(roads: RunningRoads) -> None:
    roads.stop_relayer()
    roads.stop_relayer()
    async with roads.connect() as road:
        message = await road.send("port", "court", to=roads.chains["court"].postbox, payload=b"later")
        with pytest.raises(relayer.DeliveryTimeout):
            await message.delivered(timeout="1s")
        await asyncio.to_thread(roads.start_relayer)
        assert (await message.delivered(timeout="30s")).sequence == message.sequence


def test_a_fault_lasts_as_long_as_its_block(roads: RunningRoads) -> None:
    court = roads.chains["court"]
    with court.fault(Stall()), roads.connect_blocking() as road:
        to = court.postbox
        message = road.send("port", "court", to=to, payload=b"no block has it")
        with pytest.raises(relayer.DeliveryTimeout):
            message.delivered(timeout="1s")
    with roads.connect_blocking() as road:
        road.message(message.id).delivered(timeout="30s")


def test_everything_ends_with_the_block_even_by_an_error(roads: RunningRoads) -> None:
    before = running_pids()
    started: frozenset[int] = frozenset()
    with (  # noqa: PT012  an error inside of the block is the case
        pytest.raises(ZeroDivisionError),
        local_roads("one=bft:4@0.2,other=bft:4@0.2") as other,
    ):
        started = running_pids() - before
        assert set(other.chains) == {"one", "other"}
        raise ZeroDivisionError
    assert len(started) == 3, "two chains and a relayer"
    assert running_pids() == before
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_spec_without_sense_starts_nothing(roads: RunningRoads) -> None:
    before = running_pids()
    with pytest.raises(SpecError), local_roads("nonsense"):
        pass
    assert running_pids() == before
