# SPDX-License-Identifier: MIT
"""Whom the light clients trust while the demo plays: printed at first, and whenever it changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from relayer.cli.demo.console import DemoConsole
from relayer.consensus.show import ConsensusShow
from relayer.errors import Retryable
from relayer.road import Road

_POLL_S: Final = 0.25


class TrustTeller:
    """Looks at the light client of either chain on the other one, and prints whom it trusts.

    Args:
        console: where it is printed.
        road: the two chains in use.
        shows: of the two chains, by name.
        told: what was printed, for `--json`; grows.
    """

    def __init__(
        self,
        console: DemoConsole,
        road: Road,
        shows: Mapping[str, ConsensusShow],
        told: list[dict[str, Any]],
    ) -> None:
        self._console = console
        self._road = road
        self._shows = shows
        self._told = told
        self._last: dict[str, str] = {}
        self._moved = {source: asyncio.Event() for source in shows}

    @contextlib.asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Print changes as they come while the block runs, and at its beginning those that came before."""
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
        """Whether the light client of a source has come to trust others than at first."""
        return self._moved[source].is_set()

    async def await_move(self, source: str, timeout_s: float) -> bool:
        """Wait until `has_moved`, at most `timeout_s`. Returns whether it has."""
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
            trusted = await self._shows[source].describe_trust(chain, remote.client)
            before = self._last.get(source)
            if trusted == before:
                continue
            self._last[source] = trusted
            self._told.append(
                {
                    "seconds": round(self._console.seconds, 1),
                    "source": source,
                    "destination": destination,
                    "trusted": trusted,
                }
            )
            if before is not None:
                self._moved[source].set()
            verb = "trusts" if before is None else "has moved on: it trusts"
            self._console.stamped(f"the light client of {source} on {destination} {verb} {trusted}")
