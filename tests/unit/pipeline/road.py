# SPDX-License-Identifier: MIT
"""Two in-memory chains with a pipeline between them, driven block by block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from relayer.journal.rows import Micros
from relayer.journal.store import Journal, now_micros
from relayer.metrics import Metrics
from relayer.pipeline.pipeline import BatchSettings, Pipeline, ServedChain, ServedLane
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane
from relayer.protocol.message import Message
from relayer.testing.chain import MemoryChain, join
from relayer.testing.prover import MemoryProver

FAST = BatchSettings(max_wait_ms=0)


@dataclass
class Clock:
    """Wall time that a test can move on."""

    ahead_us: int = 0

    def __call__(self) -> Micros:
        return Micros(now_micros() + self.ahead_us)

    def advance(self, seconds: float) -> None:
        self.ahead_us += int(seconds * 1_000_000)


@dataclass
class Road:
    """What a test holds in its hands."""

    chains: dict[str, MemoryChain]
    provers: dict[str, MemoryProver]
    journal: Journal
    pipeline: Pipeline
    clock: Clock
    sent: list[Message] = field(default_factory=list)

    def send(self, source: str, destination: str, count: int = 1, **terms: object) -> list[Message]:
        chain = self.chains[source]
        messages = [
            chain.send(self.chains[destination], f"{source} {index}".encode(), **terms)  # type: ignore[arg-type]
            for index in range(count)
        ]
        self.sent += messages
        return messages

    async def mine(self, count: int = 1) -> None:
        """One block everywhere, then time for the pipeline to settle."""
        for _ in range(count):
            for chain in self.chains.values():
                await chain.mine()
            await self.settle()

    async def settle(self, rounds: int = 8) -> None:
        """Let every task and the journal's thread run for a moment; whoever needs longer has the next block's."""
        for _ in range(rounds):
            await asyncio.sleep(0.005)

    async def mine_until(self, condition: Callable[[], bool], blocks: int = 40) -> None:
        for _ in range(blocks):
            if condition():
                return
            await self.mine()
        await self.settle(60)
        assert condition(), f"not within {blocks} blocks"

    def word(self, source: str, destination: str, page: int = 0) -> int:
        """What the destination's inbox has, at its newest block."""
        from relayer.protocol.lane import delivered_slot

        lane = Lane(self.chains[source].endpoint_id, self.chains[destination].endpoint_id)
        state = self.chains[destination].ledger.blocks[-1].state
        return int.from_bytes(state.storage.get(delivered_slot(lane.id, page), bytes(32)))

    def is_confirmed(self, messages: list[Message]) -> bool:
        stories = [self.journal.story(each.id) for each in messages]
        return all(story is not None and story.state.value == "confirmed" for story in stories)


async def open_road(
    folder: Path,
    chains: dict[str, MemoryChain],
    *,
    batch: BatchSettings = FAST,
    lanes: list[ServedLane] | None = None,
    clock: Clock | None = None,
    limits: dict[str, int] | None = None,
    start: bool = True,
    provers: dict[str, MemoryProver] | None = None,
) -> Road:
    clock = clock or Clock()
    journal = Journal.open(f"sqlite:///{folder}/journal.db")
    provers = provers or {name: MemoryProver(chain) for name, chain in chains.items()}
    names = list(chains)
    served = {
        name: ServedChain(chain, provers[name], 1, (limits or {}).get(name)) for name, chain in chains.items()
    }
    pipeline = await Pipeline.open(
        journal,
        served,
        lanes or [ServedLane(a, b, PUBLIC_CHANNEL) for a in names for b in names if a != b],
        batch=batch,
        metrics=Metrics(),
        clock=clock,
    )
    if start:
        pipeline.start()
    road = Road(chains, provers, journal, pipeline, clock)
    await road.settle(2)
    return road


async def close_road(road: Road) -> None:
    await road.pipeline.drain()
    road.journal.close()


@asynccontextmanager
async def running_road(folder: Path, chains: dict[str, MemoryChain], **terms: object) -> AsyncIterator[Road]:
    road = await open_road(folder, chains, **terms)  # type: ignore[arg-type]
    try:
        yield road
    finally:
        await close_road(road)


def two_chains() -> dict[str, MemoryChain]:
    chains = {"a": MemoryChain("a", 1001), "b": MemoryChain("b", 1002)}
    join(chains["a"], chains["b"])
    return chains
