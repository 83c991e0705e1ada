# SPDX-License-Identifier: MIT
"""A relayer that stands still, the API that shows it, and a client that asks it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from relayer.api import ApiServer
from relayer.config import ApiConfig
from relayer.devnet.process.ports import free_port
from relayer.journal.store import Journal
from relayer.metrics import Metrics
from relayer.views.relayer import RelayerView

TOKEN = "0123456789abcdef-token"


@dataclass
class StillRelayer:
    """What the API shows, as a test sets it."""

    journal: Journal
    shown: RelayerView = field(default_factory=lambda: RelayerView(at=0.0))
    metrics: Metrics = field(default_factory=Metrics)
    trouble: str | None = None
    unready: str | None = None
    remarked: list[str] = field(default_factory=list)

    def view(self) -> RelayerView:
        return self.shown

    def health(self) -> str | None:
        return self.trouble

    def readiness(self) -> str | None:
        return self.unready

    def remarks(self) -> list[str]:
        return self.remarked


@dataclass
class Told:
    """An answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class ApiClient:
    """Asks a server."""

    base: str
    server: ApiServer
    session: aiohttp.ClientSession

    async def ask(self, path: str, method: str = "GET", **terms: Any) -> Told:
        async with self.session.request(method, self.base + path, **terms) as answer:
            # Lower case, since names of headers are alike in all cases.
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Told(answer.status, headers, await answer.text())

    async def problem(self, path: str, method: str = "GET", **terms: Any) -> tuple[int, str, str]:
        """Ask for what is refused: status, code and detail."""
        told = await self.ask(path, method, **terms)
        assert told.headers["content-type"] == "application/problem+json"
        problem = told.json
        assert list(problem) == ["type", "title", "status", "code", "detail", "advice"]
        assert problem["type"] == "about:blank"
        assert problem["status"] == told.status
        return told.status, problem["code"], problem["detail"]


@contextlib.asynccontextmanager
async def serving(relayer: StillRelayer, **terms: Any) -> AsyncIterator[ApiClient]:
    """Serve a relayer on a free port with these keys of `[api]`; TOKEN stands in the environment as TOKEN."""
    config = ApiConfig(**{"listen": f"127.0.0.1:{free_port()}"} | terms)
    server = ApiServer(relayer, config, environment={"TOKEN": TOKEN})
    try:
        await server.start()
        async with aiohttp.ClientSession() as session:
            yield ApiClient(f"http://{config.listen}", server, session)
    finally:
        await server.close()
        # A second time does nothing.
        await server.close()
