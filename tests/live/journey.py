# SPDX-License-Identifier: MIT
"""Messages between a real proof-of-stake chain and an anvil chain,
carried by the daemon as operators run it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import relayer
from relayer.config import Config
from relayer.devnet.network.join import LocalEndpoint
from relayer.errors import Retryable
from relayer.road import Receipt, RoadMessage
from tests.support.daemon_process import DaemonProcess

Say = Callable[[str], None]

_DELIVERED_S = 240.0
_WATCH_S = 0.5


class Roads(Protocol):
    """Chains that are joined: `relayer.devnet.network.join.LocalRoads`, or an operator's."""

    @property
    def config(self) -> Config: ...

    @property
    def endpoints(self) -> Mapping[str, LocalEndpoint]: ...


@dataclass
class Journal:
    """What was sent, and when each message was proven as executed on its destination."""

    sent: list[tuple[RoadMessage, float]] = field(default_factory=list)
    proven: list[tuple[RoadMessage, Receipt, float]] = field(default_factory=list)

    def seconds(self, source: str) -> list[float]:
        """How long each message of a chain took, from its block to its proven execution."""
        began = {message.id: at for message, at in self.sent}
        return sorted(at - began[message.id] for message, _, at in self.proven if message.source == source)

    async def await_proven(self, more: int) -> None:
        """Wait until so many more are proven; their deadline and the caller's timeout end it."""
        wanted = len(self.proven) + more
        while len(self.proven) < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def daemon(config_path: Path) -> AsyncIterator[DaemonProcess]:
    """`postroad run` on a configuration."""
    process = DaemonProcess(config_path)
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


async def send_for(
    roads: Roads,
    pairs: list[tuple[str, str]],
    *,
    every_s: float,
    enough: Callable[[], bool],
    watch: Callable[[], None],
    say: Say,
    journal: Journal | None = None,
) -> Journal:
    """Send a message on each pair of chains again and again until it is enough; wait until all are proven.

    `watch` raises when something that has to run has ended. What happens is noted in `journal`, if there is
    one, and returned. Raises DeliveryTimeout when a message does not arrive.
    """
    journal = Journal() if journal is None else journal
    async with relayer.connect(roads.config) as road, asyncio.TaskGroup() as waiting:
        # Beside the rest: where a program has ended, the rest would wait for it.
        watching = waiting.create_task(_keep(watch))
        arriving: list[asyncio.Task[None]] = []
        while not enough():
            for source, destination in pairs:
                payload = secrets.token_bytes(secrets.choice((1, 32, 200)))
                message = await _send(road, roads, source, destination, payload)
                journal.sent.append((message, time.monotonic()))
                arriving.append(waiting.create_task(_await_delivery(journal, message, payload)))
            await asyncio.sleep(every_s)
            say(f"{len(journal.sent)} messages sent, {len(journal.proven)} proven as executed")
        await asyncio.gather(*arriving)
        watching.cancel()
    return journal


async def _keep(watch: Callable[[], None]) -> None:
    while True:
        watch()
        await asyncio.sleep(_WATCH_S)


async def _send(
    road: relayer.Road, roads: Roads, source: str, destination: str, payload: bytes
) -> RoadMessage:
    to = roads.endpoints[destination].postbox
    for attempt in range(5):
        try:
            return await road.send(source, destination, to=to, payload=payload)
        except Retryable:
            if attempt == 4:
                raise
            await asyncio.sleep(1.0)
    raise AssertionError("unreachable")


async def _await_delivery(journal: Journal, message: RoadMessage, payload: bytes) -> None:
    receipt = await message.delivered(timeout=_DELIVERED_S)
    if message.payload != payload:
        raise AssertionError(f"{message} carries another payload than was sent")
    journal.proven.append((message, receipt, time.monotonic()))
