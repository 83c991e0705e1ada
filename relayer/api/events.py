# SPDX-License-Identifier: MIT
"""What happens, as server-sent events (WHATWG HTML, "Server-sent events").

Steps of messages are rows that the journal only adds to, so a row's number is the event's id, and whoever was
away goes on behind the last one that it has. Lanes and open transactions have no such past: they are told
when they differ from what this reader was told last, and a reader that is late is told the newest alone.
Nothing is queued for a reader. It is read for when it has taken what was before, and one that takes nothing
for a while is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import hdrs, web

from relayer.api.problem import RequestRefused
from relayer.api.route import EVENT_STREAM, Asked, Route, Served
from relayer.api.transactions import read_open
from relayer.journal.queries import read_steps_after
from relayer.journal.reading import Reading
from relayer.journal.rows import TransactionRow
from relayer.views.encoding import to_json
from relayer.views.event import MessagesEventView, messages_event_view
from relayer.views.lane import LaneView
from relayer.views.transaction import SignedTransactionView, signed_transaction_view

#: Steps of one look at the journal.
_CHUNK: Final = 100
#: How often the journal is looked at.
_POLL_S: Final = 0.5
#: A proxy must not take silence for the end.
_HEARTBEAT_S: Final = 15.0
#: Who takes nothing for so long is dropped.
_WRITE_S: Final = 10.0
_LAST_ID: Final = "Last-Event-ID"
_ID: Final = re.compile(r"[0-9]{1,18}")


class EventsParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the events begin.

    Attributes:
        after: the id of the event behind which to go on; without it, at what happens from now on. The header
            Last-Event-ID goes before it.
    """

    after: Annotated[int, msgspec.Meta(ge=0, lt=10**18)] | None = None


async def stream_events(asked: Asked[EventsParams]) -> web.StreamResponse:
    """Tell what happens until the reader goes, takes nothing, or the server ends."""
    served, request = asked.served, asked.request
    if served.streams.locked():
        raise RequestRefused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too_many_streams",
            "As many readers as this server takes listen to events already.",
            "Try again later, or ask the routes that tell what is now.",
            {hdrs.RETRY_AFTER: "30"},
        )
    async with served.streams:
        reader = _Listener(served, await served.read(partial(_start, after=_read_after(asked))))
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: EVENT_STREAM})
        await response.prepare(request)
        # Who goes, or is dropped, needs no answer any more.
        with contextlib.suppress(ConnectionError):
            try:
                await _tell(reader, request, response)
            except TimeoutError:
                _drop(request)
            except Exception:
                # A problem can't be told any more in the middle of a stream.
                _drop(request)
                raise
    return response


def _drop(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _tell(reader: _Listener, request: web.Request, response: web.StreamResponse) -> None:
    loop, closing = asyncio.get_running_loop(), reader.served.closing
    # It shows at once that the stream is open.
    await _write(response, ": open\n\n")
    told_at = loop.time()
    while not closing.is_set() and request.transport is not None and not request.transport.is_closing():
        text, is_behind = await reader.read()
        if not text and loop.time() - told_at >= _HEARTBEAT_S:
            text = ": \n\n"
        if text:
            await _write(response, text)
            told_at = loop.time()
        if not is_behind:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), _POLL_S)


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_WRITE_S):
        await response.write(text.encode())


class _Listener:
    """What one reader has been told."""

    def __init__(self, served: Served, start: tuple[int, dict[int, SignedTransactionView]]) -> None:
        self.served = served
        self._step, self._open = start
        self._lanes = self._read_lanes()
        #: How many commits the journal had when it was looked at last; None where it has more to tell.
        self._commits: int | None = None

    def _read_lanes(self) -> dict[bytes, LaneView]:
        return {lane.lane: lane for lane in self.served.recent_view().lanes}

    async def read(self) -> tuple[str, bool]:
        """Return the events that the reader lacks, and whether there are more already."""
        parts: list[str] = []
        # Taken before the look: what is committed meanwhile is looked at once more.
        commits = self.served.relayer.journal.commits
        if commits != self._commits:
            steps, transactions = await self.served.read(self._look)
            for number, step in steps:
                parts.append(_event("messages", step, number))
                self._step = number
            parts += [_event("transaction", transaction) for transaction in transactions]
            self._commits = None if len(steps) == _CHUNK else commits
        lanes = self._read_lanes()
        parts += [_event("lane", lane) for key, lane in lanes.items() if self._lanes.get(key) != lane]
        self._lanes = lanes
        return "".join(parts), self._commits is None

    def _look(
        self, reading: Reading
    ) -> tuple[list[tuple[int, MessagesEventView]], list[SignedTransactionView]]:
        lanes = {lane.row: lane for lane in reading.lanes()}
        steps = [
            (number, messages_event_view(step, lanes[step.lane], tx_hash))
            for number, step, tx_hash in read_steps_after(reading, self._step, _CHUNK)
        ]
        open_now = read_open(reading)
        changed = [view for row, view in open_now.items() if self._open.get(row) != view]
        changed += _read_over(reading, self._open.keys() - open_now.keys())
        self._open = open_now
        return steps, changed


def _read_over(reading: Reading, rows: set[int]) -> Iterator[SignedTransactionView]:
    """Yield what became of transactions that are open no more."""
    names = {chain.row: chain.name for chain in reading.chains()}
    for stored in reading.transactions(TransactionRow(row) for row in sorted(rows)):
        yield signed_transaction_view(stored, names[stored.chain])


def _start(reading: Reading, after: int | None) -> tuple[int, dict[int, SignedTransactionView]]:
    newest = reading.newest_transition()
    # A number beyond the newest is another journal's.
    return newest if after is None else min(after, newest), read_open(reading)


def _read_after(asked: Asked[EventsParams]) -> int | None:
    text = asked.request.headers.get(_LAST_ID)
    if not text:
        return asked.params.after
    if not _ID.fullmatch(text):
        raise RequestRefused(
            HTTPStatus.BAD_REQUEST,
            "invalid_parameter",
            f"{_LAST_ID}: expected the id of an event of this server",
            "Leave it out to hear what happens from now on.",
        )
    return int(text)


def _event(name: str, view: MessagesEventView | LaneView | SignedTransactionView, number: int = 0) -> str:
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {name}\ndata: {to_json(view)}\n\n"


ROUTES: Final = (
    Route(
        "/v1/events",
        "stream_events",
        "What happens, as server-sent events.",
        stream_events,
        views=(MessagesEventView, LaneView, SignedTransactionView),
        params=EventsParams,
        media=EVENT_STREAM,
    ),
)
