# SPDX-License-Identifier: MIT
"""What a route is, and what its handler is given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

import msgspec
from aiohttp import web

from relayer.journal.reading import Reading
from relayer.journal.store import Journal
from relayer.metrics import Metrics
from relayer.views.relayer import RelayerView

T = TypeVar("T")
P = TypeVar("P", bound=msgspec.Struct)

JSON: Final = "application/json"
TEXT: Final = "text/plain"
EVENT_STREAM: Final = "text/event-stream"
#: How old the view may be that streams share.
RECENT_S: Final = 0.25


class Relayer(Protocol):
    """What is shown: a daemon, or what stands for one in tests.

    `health` gives what is wrong with the process, `readiness` why it does not relay; both give None where all
    is well. `remarks` gives what keeps one chain's messages from moving while the others' do: it is shown
    with readiness, and does not deny it.
    """

    journal: Journal
    metrics: Metrics

    def view(self) -> RelayerView: ...  # noqa: D102  the class tells

    def health(self) -> str | None: ...  # noqa: D102

    def readiness(self) -> str | None: ...  # noqa: D102

    def remarks(self) -> Iterable[str]: ...  # noqa: D102


@dataclass(slots=True)
class Served:
    """What every handler shares.

    Attributes:
        relayer: what is shown.
        threads: in which the journal is read. They are not the daemon's, whose work then waits for no reader.
        closing: set when the server ends, so that streams end too.
        streams: how many more may be open.
    """

    relayer: Relayer
    threads: Executor
    closing: asyncio.Event
    streams: asyncio.Semaphore
    _recent: tuple[float, RelayerView] | None = None

    def recent_view(self) -> RelayerView:
        """Return a view that is up to RECENT_S old, so that many streams cost what one does."""
        now = asyncio.get_running_loop().time()
        if self._recent is None or now - self._recent[0] > RECENT_S:
            self._recent = now, self.relayer.view()
        return self._recent[1]

    async def read(self, work: Callable[[Reading], T]) -> T:
        """Run reads of the journal in one snapshot, beside the event loop, and return their result."""

        def read() -> T:
            with self.relayer.journal.reading() as reading:
                return work(reading)

        return await asyncio.get_running_loop().run_in_executor(self.threads, read)


@dataclass(frozen=True, slots=True)
class Asked(Generic[P]):
    """A request that was let in: what it asks for, decoded and checked."""

    served: Served
    params: P
    request: web.Request


#: Gives a value with a JSON form (relayer.views.encoding), or a whole response.
Handler = Callable[[Asked[Any]], Awaitable[object]]


class NoParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a route that has none."""


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked for.

    Attributes:
        path: with `{name}` for the parameters that stand in it.
        name: the operation's, unique.
        summary: what it gives, for the documentation.
        handler: gives the answer.
        views: the types of the answer. Of several, one object has the keys of all, or a stream has them all.
        params: the fields whose names stand in `path` are read there, the others from the query.
        method: a POST needs the token.
        status: of a good answer.
        media: the type of a good answer.
        problems: the statuses of problems that this route has beside those of all.
    """

    path: str
    name: str
    summary: str
    handler: Handler
    views: tuple[Any, ...] = ()
    params: type[msgspec.Struct] = NoParams
    method: Literal["GET", "POST"] = "GET"
    status: HTTPStatus = HTTPStatus.OK
    media: str = JSON
    problems: tuple[HTTPStatus, ...] = ()

    @property
    def is_versioned(self) -> bool:
        """Whether it is a part of the API, which is limited, and not a page for machines that watch it."""
        return self.path.startswith("/v1/")

    @property
    def is_write(self) -> bool:
        """Whether it changes something, and so needs the token."""
        return self.method != "GET"
