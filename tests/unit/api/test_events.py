# SPDX-License-Identifier: MIT
"""What happens is told once, in order, from where a reader left; who takes nothing is dropped."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from relayer.api import events
from relayer.api.server import MOST_STREAMS
from relayer.journal.rows import LaneRow, Purpose, TransactionState
from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.views.encoding import to_plain
from relayer.views.relayer import RelayerView
from tests.support.api import ApiClient, StillRelayer, serving
from tests.unit.api.relayed import Relayed
from tests.unit.journal.samples import NOW, attempt, step

pytestmark = pytest.mark.network


@dataclass
class Event:
    name: str
    number: int | None
    data: Any


class Stream:
    """Reads events one by one."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._lines = answer.content

    async def next(self) -> Event:
        """The next event; comments are passed over."""
        fields: dict[str, str] = {}
        while True:
            line = (await self._lines.readline()).decode()
            if not line:
                raise EOFError
            if line == "\n" and "event" in fields:
                number = int(fields["id"]) if "id" in fields else None
                return Event(fields["event"], number, json.loads(fields["data"]))
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = value


@contextlib.asynccontextmanager
async def listening(client: ApiClient, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    url = f"{client.base}/v1/events{query}"
    async with asyncio.timeout(60), client.session.get(url, headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        # It is open once its first line is there, and what happens from then on is told.
        assert await answer.content.readline() == b": open\n"
        yield Stream(answer)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_POLL_S", 0.01)


async def test_a_message_is_followed_from_its_first_step_to_its_last(relayed: Relayed) -> None:
    network = relayed.network
    async with serving(relayed.relayer) as client, listening(client) as stream:
        (message,) = network.send("b", "a")
        await network.mine_until(lambda: network.is_confirmed([message]))
        told: list[Event] = []
        while not told or told[-1].data["state"] != "confirmed":
            event = await stream.next()
            if event.name == "messages" and event.data["source"] == "b":
                told.append(event)
        assert [event.data["sequences"] for event in told] == [[0]] * len(told)
        story = network.journal.story(message.id)
        assert story is not None
        assert [event.data["state"] for event in told] == [step.state.value for step in story.steps]
        assert [event.data["tx_hash"] for event in told] == [to_plain(step.tx_hash) for step in story.steps]
        numbers = [event.number for event in told]
        assert None not in numbers
        assert numbers == sorted(set(numbers))  # type: ignore[type-var]


async def test_who_was_away_misses_no_step_and_hears_none_twice(
    relayed: Relayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_CHUNK", 2)
    journal = relayed.network.journal
    await relayed.network.pipeline.drain()
    newest = await journal.read(lambda reading: reading.newest_transition())
    async with serving(relayed.relayer) as client:
        async with listening(client, "?after=0") as stream:
            everything = [await stream.next() for _ in range(newest)]
        assert [event.number for event in everything] == list(range(1, newest + 1))
        async with listening(client, "?after=1", **{"Last-Event-ID": "3"}) as stream:
            assert await stream.next() == everything[3]
        # A number of another journal is the newest of this one.
        async with listening(client, "", **{"Last-Event-ID": "9" * 18}) as stream:
            (lane,) = relayed.relayer.shown.lanes[:1]
            relayed.relayer.shown = RelayerView(at=1.0, lanes=(msgspec.structs.replace(lane, backlog=77),))
            event = await stream.next()
            assert (event.name, event.number, event.data["backlog"]) == ("lane", None, 77)
            observed = step(LaneRow(1), 200, 200, DeliveryState.OBSERVED)
            await journal.commit(lambda writing: writing.add_transitions([observed]))
            event = await stream.next()
            assert (event.name, event.number, event.data["sequences"]) == ("messages", newest + 1, [200])


async def test_lanes_and_transactions_are_told_when_they_change(relayed: Relayed) -> None:
    journal, relayer = relayed.network.journal, relayed.relayer
    await relayed.network.pipeline.drain()
    async with serving(relayer) as client, listening(client) as stream:
        lane = relayer.shown.lanes[0]
        held = msgspec.structs.replace(lane, waiting=Waiting(WaitingReason.PAUSED, "by its guardian"))
        relayer.shown = RelayerView(at=1.0, lanes=(held, *relayer.shown.lanes[1:]))
        event = await stream.next()
        assert (event.name, event.data) == ("lane", to_plain(held))
        endpoint_id = relayed.network.chains["b"].endpoint_id

        row = await journal.commit(
            lambda writing: writing.add_transaction(
                writing.put_chain(endpoint_id, "b", scanned_height=0, at=NOW),
                Purpose.OTHER,
                b"k" * 20,
                1,
                attempt(),
            )
        )
        event = await stream.next()
        assert (event.name, event.data["id"], event.data["state"]) == ("transaction", row, "open")
        await journal.commit(
            lambda writing: writing.explain_transactions([(row, Waiting(WaitingReason.GAS_PRICE, "dear"))])
        )
        event = await stream.next()
        assert (event.data["id"], event.data["reason"], event.data["detail"]) == (row, "gas_price", "dear")
        await journal.commit(lambda writing: writing.set_transaction_state(row, TransactionState.DISPLACED))
        event = await stream.next()
        assert (event.data["id"], event.data["state"], event.data["reason"]) == (row, "displaced", None)


async def test_silence_is_broken_by_comments(relayer: StillRelayer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_HEARTBEAT_S", 0.0)
    async with (
        serving(relayer) as client,
        asyncio.timeout(60),
        client.session.get(f"{client.base}/v1/events") as answer,
    ):
        lines = [await answer.content.readline() for _ in range(4)]
        assert lines == [b": open\n", b"\n", b": \n", b"\n"]


async def test_who_takes_nothing_is_dropped(relayer: StillRelayer, monkeypatch: pytest.MonkeyPatch) -> None:
    written = web.StreamResponse.write

    async def write(response: web.StreamResponse, data: bytes) -> None:
        if data == b": open\n\n":
            await written(response, data)
            return
        # As if the reader's buffers were full for ever.
        await asyncio.Event().wait()

    monkeypatch.setattr(web.StreamResponse, "write", write)
    monkeypatch.setattr(events, "_WRITE_S", 0.01)
    monkeypatch.setattr(events, "_HEARTBEAT_S", 0.0)
    async with serving(relayer) as client, listening(client) as stream:
        with pytest.raises((EOFError, aiohttp.ClientError)):
            await stream.next()


async def test_readers_are_bounded_and_leave_their_place(relayer: StillRelayer) -> None:
    async with serving(relayer) as client:
        async with contextlib.AsyncExitStack() as stack:
            # More than a session opens by itself.
            session = await stack.enter_async_context(
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
            )
            crowd = dataclasses.replace(client, session=session)
            for _ in range(MOST_STREAMS):
                await stack.enter_async_context(listening(crowd))
            told = await client.ask("/v1/events")
            assert (told.status, told.json["code"]) == (503, "too_many_streams")
            assert told.headers["retry-after"] == "30"
        async with asyncio.timeout(60):
            while True:
                async with client.session.get(f"{client.base}/v1/events") as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.01)


async def test_the_end_of_the_server_ends_streams(relayer: StillRelayer) -> None:
    async with serving(relayer) as client, listening(client) as stream:
        ending = asyncio.create_task(client.server.close())
        with pytest.raises((EOFError, aiohttp.ClientError)):
            await stream.next()
        await ending


@pytest.mark.parametrize("number", ["-1", "x", "9" * 19, "１"])
async def test_an_id_that_is_none_is_refused(relayer: StillRelayer, number: str) -> None:
    async with serving(relayer) as client:
        found = await client.problem(f"/v1/events?after={number}")
        assert found[:2] == (400, "invalid_parameter")
        if number.isascii():
            found = await client.problem("/v1/events", headers={"Last-Event-ID": number})
            assert found == (
                400,
                "invalid_parameter",
                "Last-Event-ID: expected the id of an event of this server",
            )
