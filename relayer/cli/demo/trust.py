# SPDX-License-Identifier: MIT
"""Whom the light clients trust while the demo plays: told when it changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from relayer.cli.demo.console import Stage
from relayer.consensus.show import Show
from relayer.errors import Retryable
from relayer.road import Road

_POLL_S = 0.25


class TrustTeller:
    """Looks at the light client of each chain on the other one.

    Args:
        shows: of the two chains.
        told: what was told, for `--json`; grows.
    """

    def __init__(
        self, stage: Stage, road: Road, shows: Mapping[str, Show], told: list[dict[str, Any]]
    ) -> None:
        self._stage = stage
        self._road = road
        self._shows = shows
        self._told = told
        self._last: dict[str, str] = {}
        self._moved = {source: asyncio.Event() for source in shows}

    @contextlib.asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Tell changes as they come, for as long as the block lasts; at its beginning, whatever changed before."""
        with contextlib.suppress(Retryable):
            await self._look()
        task = asyncio.create_task(self._keep_looking(), name="trust")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def has_moved(self, source: str) -> bool:
        """Whether others than at first were told to be trusted for a source."""
        return self._moved[source].is_set()

    async def await_move(self, source: str, timeout_s: float) -> bool:
        """Look until others are trusted for a source than at first. Returns whether that came in time."""
        async with self.telling():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._moved[source].wait()
        return self.has_moved(source)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_POLL_S)
            # An answer that does not come now comes at the next look; the demo does not hang on it.
            with contextlib.suppress(Retryable):
                await self._look()

    async def _look(self) -> None:
        first, second = self._shows
        for source, destination in ((first, second), (second, first)):
            chain = self._road.chain(destination)
            remote = await chain.chain.remote(self._road.chain(source).chain.endpoint_id)
            if remote is None:
                continue
            trusted = await self._shows[source].trust_of(chain, remote.client)
            before = self._last.get(source)
            if trusted == before:
                continue
            self._last[source] = trusted
            self._told.append(
                {
                    "seconds": round(self._stage.seconds, 1),
                    "source": source,
                    "destination": destination,
                    "trusted": trusted,
                }
            )
            if before is not None:
                self._moved[source].set()
            verb = "trusts" if before is None else "has moved on: it trusts"
            self._stage.stamped(f"the light client of {source} on {destination} {verb} {trusted}")
