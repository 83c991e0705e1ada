# SPDX-License-Identifier: MIT
"""The road in memory: deliveries, refusals, time. tests/e2e/test_memory_road.py compares it with chains."""

from __future__ import annotations

import asyncio

import pytest

import relayer
from relayer.errors import ConfigError
from relayer.protocol.delivery import DeliveryState
from relayer.testing import MemoryRoad, ReceivedMessage

BOX = b"\x22" * 20


async def test_a_message_is_executed_once_with_what_was_sent() -> None:
    """INV-2"""
    received: list[ReceivedMessage] = []
    async with MemoryRoad("court", "port") as road:
        road.receive("port", BOX, received.append)
        message = await road.send("court", "port", to=BOX, payload=b"x")
        assert await road.relay() == 0
        await road.advance("1d")
        assert received == [ReceivedMessage(message.id, "court", road.sender("court"), b"x")]
        assert (await message.delivered()).word[-1] == 1
        assert (await (await road.message(message.id)).story()).state is DeliveryState.CONFIRMED


async def test_a_refused_message_is_tried_again_until_its_deadline() -> None:
    attempts: list[float] = []
    road = MemoryRoad("court", "port")

    def refuse(_: ReceivedMessage) -> None:
        attempts.append(road.now)
        raise ValueError("not now")

    road.receive("port", BOX, refuse)
    message = await road.send("court", "port", to=BOX, payload=b"", deadline="10s")
    with pytest.raises(relayer.DeliveryTimeout, match="not now"):
        await message.delivered(timeout="5s")
    road.receive("port", "0x" + BOX.hex(), lambda _: None)
    await road.advance("5s")
    assert (await message.delivered()).sequence == 0, "its last second is in time"
    road.receive("port", BOX, refuse)
    late = await road.send("court", "port", to=BOX, payload=b"", deadline="10s")
    with pytest.raises(relayer.MessageExpired):
        await late.delivered(timeout="1m")
    tried = len(attempts)
    await road.advance("1d")
    assert len(attempts) == tried
    assert (await late.story()).state is DeliveryState.EXPIRED


async def test_without_a_relayer_messages_wait_and_their_order_is_the_tests() -> None:
    received: list[bytes] = []
    road = MemoryRoad("court", "port", is_relaying=False)
    road.receive("port", BOX, lambda message: received.append(message.payload))
    messages = [await road.send("court", "port", to=BOX, payload=bytes([index])) for index in range(3)]
    assert [message.sequence for message in messages] == [0, 1, 2]
    waiting = asyncio.create_task(messages[2].delivered())
    await asyncio.sleep(0)
    await road.advance("1h")
    assert not received
    assert await road.relay() == 3
    assert (await waiting).message_id == messages[2].id
    assert received == [b"\x00", b"\x01", b"\x02"]


async def test_recipients_may_answer_and_never_run_inside_one_another() -> None:
    running: list[bytes] = []
    road = MemoryRoad("court", "port")
    answers: list[bytes] = []

    async def answer(message: ReceivedMessage) -> None:
        assert not running
        running.append(message.payload)
        await road.send("port", "court", to=BOX, payload=b"answer to " + message.payload)
        assert await road.relay() == 0
        running.clear()

    def take(message: ReceivedMessage) -> None:
        assert not running
        answers.append(message.payload)

    road.receive("port", BOX, answer)
    road.receive("court", BOX, take)
    await road.send("court", "port", to=BOX, payload=b"one")
    assert answers == [b"answer to one"]


async def test_channels_are_opened_and_chains_are_known() -> None:
    road = MemoryRoad("court", "port")
    channel = b"\x01" * 32
    road.open_channel(channel)
    sent = await road.send("court", "port", to=BOX, payload=b"", channel=channel)
    assert (sent.sequence, sent.lane.channel) == (0, channel)
    for call in (lambda: road.receive("nowhere", BOX, print), lambda: road.sender("nowhere")):
        with pytest.raises(ConfigError, match="one of court, port"):
            call()
