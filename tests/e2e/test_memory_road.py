# SPDX-License-Identifier: MIT
"""One scenario over a road in memory and over real chains: an application sees the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import relayer
from light_clients.hashing import keccak256
from relayer.errors import ConfigError
from relayer.protocol.message import Message
from relayer.testing import MemoryRoad, RunningRoads
from relayer.testing.fixtures import postroad_roads, postroad_spec

__all__ = ["postroad_roads", "postroad_spec"]

NOBODY = "0x" + "47" * 20


@dataclass
class World:
    """A road, an address on `port` that takes everything, and who may have the relayer relay or not."""

    road: relayer.AnyRoad
    box: str
    set_relaying: Callable[[bool], Awaitable[None]]


@asynccontextmanager
async def in_memory(_: RunningRoads) -> AsyncIterator[World]:
    async with MemoryRoad("court", "port") as road:
        box = "0x" + "22" * 20
        road.receive("port", box, lambda _: None)

        async def set_relaying(on: bool) -> None:
            road.is_relaying = on
            await road.advance(0)

        yield World(road, box, set_relaying)


@asynccontextmanager
async def on_chains(roads: RunningRoads) -> AsyncIterator[World]:
    async def set_relaying(on: bool) -> None:
        await asyncio.to_thread(roads.start_relayer if on else roads.stop_relayer)

    async with roads.connect() as road:
        yield World(road, roads.chains["port"].postbox, set_relaying)


async def outcome(work: Awaitable[Any]) -> object:
    """What comes of a call: its value, or its error's class, and the name of a contract's error."""
    try:
        return await work
    except ConfigError:
        # A configuration says it as a more special one.
        return ConfigError
    except relayer.PostroadError as error:
        return type(error), getattr(error, "name", "")


async def play(world: World) -> list[object]:
    """Send, wait, be refused and be too late; return everything that an application sees of it."""
    road, box = world.road, world.box
    seen: list[object] = []

    firsts: dict[bytes, int] = {}

    def see(message: relayer.AnyMessage) -> None:
        # Ids differ as endpoints do: they have to be what the protocol makes of the message.
        terms = message.sent.message
        assert message.id == Message(**{name: getattr(terms, name) for name in terms.__dataclass_fields__}).id
        place = message.sequence - firsts.setdefault(message.lane_id, message.sequence)
        seen.append((message.source, message.destination, place, message.payload, message.gas_limit))

    first = await road.send("court", "port", to=box, payload=b"first", deadline="1h")
    second = await road.send("court", "port", to=box, payload=b"first", deadline="1h", gas_limit=300_000)
    back = await road.send("port", "court", to=NOBODY, payload=b"")
    for message in (first, second, back):
        see(message)
    receipts = [await message.delivered(timeout="30s") for message in (first, second)]
    seen += [
        (receipt.message_id, receipt.sequence, receipt.word[-1] & 1 << message.sequence != 0)
        == (message.id, message.sequence, True)
        for receipt, message in zip(receipts, (first, second), strict=True)
    ]
    seen += [receipt.delivery is not None and receipt.delivery.is_checked for receipt in receipts]
    seen.append(await outcome(back.delivered(timeout="2s")))
    found = await road.message("0x" + first.id.hex())
    see(found)
    story = await found.story()
    seen += [story.state, story.proven is not None and story.proven.is_delivered]
    seen.append((await back.story()).proven is not None)
    for arguments in (
        {"to": "0x12"},
        {"to": bytes(19)},
        {"payload": "text"},
        {"channel": b"\x01"},
        {"channel": keccak256(b"a channel")},
        {"payload": bytes(30_000)},
        {"gas_limit": 2_000_001},
        {"deadline": "soon"},
        {"destination": "court"},
        {"destination": "nowhere"},
    ):
        call: dict[str, Any] = {"source": "court", "destination": "port", "to": box, "payload": b""}
        seen.append(await outcome(road.send(**(call | arguments))))
    seen.append(await outcome(road.message(bytes(32))))
    seen.append(await outcome(road.message("0x12")))
    await world.set_relaying(False)
    late = await road.send("court", "port", to=box, payload=b"late", deadline="1s")
    see(late)
    seen.append(await outcome(late.delivered()))
    seen.append((await late.story()).state)
    waits = await road.send("court", "port", to=box, payload=b"waits")
    seen.append(await outcome(waits.delivered(timeout="1s")))
    await world.set_relaying(True)
    seen.append((await waits.delivered(timeout="30s")).message_id == waits.id)
    return seen


async def test_an_application_sees_the_same_on_both(postroad_roads: RunningRoads) -> None:
    played = []
    for world in (in_memory, on_chains):
        async with world(postroad_roads) as made:
            played.append(await play(made))
    assert played[0] == played[1]
    assert (relayer.MessageExpired, "") in played[0]


def test_its_limits_are_those_of_a_deployment() -> None:
    from relayer.config import EndpointsConfig
    from relayer.testing.memory_road import DEFAULT_GAS_LIMIT, MOST_GAS_LIMIT, MOST_PAYLOAD

    limits = EndpointsConfig()
    assert (limits.default_gas_limit, limits.max_gas_limit, limits.max_payload_bytes) == (
        DEFAULT_GAS_LIMIT,
        MOST_GAS_LIMIT,
        MOST_PAYLOAD,
    )
