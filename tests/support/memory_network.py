# SPDX-License-Identifier: MIT
"""In-memory chains with a pipeline between them, driven block by block, and what tests ask of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from relayer.chains.evm import abi
from relayer.journal.rows import Micros
from relayer.journal.store import Journal, now_micros
from relayer.metrics import Metrics
from relayer.pipeline.pipeline import BatchSettings, Pipeline, ServedChain, ServedLane
from relayer.pipeline.rules.instant import Ticks
from relayer.pipeline.services import now_ticks
from relayer.protocol.delivery import WaitingReason
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane
from relayer.protocol.message import Message
from relayer.sending.price import PricePolicy
from relayer.testing.chain import MemoryChain, join
from relayer.testing.prover import MemoryProver

FAST = BatchSettings(max_wait_ms=0)

#: The operator's limits for gas.
PRICES = PricePolicy(500 * 10**9, 10**9)
#: How many blocks verified headers of `delayed` chains are behind the head.
LAG = 5
#: A recipient other than that of `MemoryChain.send`.
OTHER = b"\x33" * 20


@dataclass
class Clock:
    """The wall's clock and one that nobody sets, which a test can move on."""

    ahead_us: int = 0
    wrong_by_us: int = 0

    def __call__(self) -> Micros:
        return Micros(now_micros() + self.ahead_us + self.wrong_by_us)

    def ticks(self) -> Ticks:
        return Ticks(now_ticks() + self.ahead_us)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead_us += int(seconds * 1_000_000)

    def set_wrong(self, seconds: float) -> None:
        """Set the wall's clock so much ahead of the time; no time passes."""
        self.wrong_by_us = int(seconds * 1_000_000)


@dataclass
class MemoryNetwork:
    """In-memory chains, the pipeline between them, and its journal."""

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
        """Let every task and the journal's thread run for a moment; whoever needs longer has the next
        block's.
        """
        for _ in range(rounds):
            await asyncio.sleep(0.005)

    async def mine_until(self, condition: Callable[[], bool], blocks: int = 40) -> None:
        for _ in range(blocks):
            if condition():
                return
            await self.mine()
        await self.settle(60)
        assert condition(), f"not within {blocks} blocks"

    def delivered_bitmap(self, source: str, destination: str, page: int = 0) -> int:
        """The delivered bitmap of a page in the destination's newest block."""
        from relayer.protocol.lane import delivered_slot

        lane = Lane(self.chains[source].endpoint_id, self.chains[destination].endpoint_id)
        state = self.chains[destination].ledger.blocks[-1].state
        return int.from_bytes(state.storage.get(delivered_slot(lane.id, page), bytes(32)))

    def is_confirmed(self, messages: list[Message]) -> bool:
        stories = [self.journal.story(message.id) for message in messages]
        return all(story is not None and story.state.value == "confirmed" for story in stories)


async def open_network(
    folder: Path,
    chains: dict[str, MemoryChain],
    *,
    batch: BatchSettings = FAST,
    lanes: list[ServedLane] | None = None,
    clock: Clock | None = None,
    limits: dict[str, int] | None = None,
    prices: PricePolicy = PRICES,
    start: bool = True,
    provers: dict[str, MemoryProver] | None = None,
) -> MemoryNetwork:
    clock = clock or Clock()
    journal = Journal.open(f"sqlite:///{folder}/journal.db")
    provers = provers or {name: MemoryProver(chain) for name, chain in chains.items()}
    names = list(chains)
    served = {
        name: ServedChain(chain, provers[name], 1, prices, (limits or {}).get(name))
        for name, chain in chains.items()
    }
    pipeline = await Pipeline.open(
        journal,
        served,
        lanes or [ServedLane(a, b, PUBLIC_CHANNEL) for a in names for b in names if a != b],
        batch=batch,
        metrics=Metrics(),
        clock=clock,
        monotonic=clock.ticks,
    )
    if start:
        pipeline.start()
    network = MemoryNetwork(chains, provers, journal, pipeline, clock)
    await network.settle(2)
    return network


async def close_network(network: MemoryNetwork) -> None:
    await network.pipeline.drain()
    network.journal.close()


@asynccontextmanager
async def running_network(
    folder: Path, chains: dict[str, MemoryChain], **terms: object
) -> AsyncIterator[MemoryNetwork]:
    network = await open_network(folder, chains, **terms)  # type: ignore[arg-type]
    try:
        yield network
    finally:
        await close_network(network)


def two_chains() -> dict[str, MemoryChain]:
    chains = {"a": MemoryChain("a", 1001), "b": MemoryChain("b", 1002)}
    join(chains["a"], chains["b"])
    return chains


def states(network: MemoryNetwork, messages: list[Message]) -> list[str]:
    stories = [network.journal.story(message.id) for message in messages]
    return ["unknown" if story is None else story.state.value for story in stories]


def reason(network: MemoryNetwork, message: Message) -> WaitingReason | None:
    story = network.journal.story(message.id)
    assert story is not None
    return None if story.waiting is None else story.waiting.reason


def detail(network: MemoryNetwork, message: Message) -> str:
    story = network.journal.story(message.id)
    assert story is not None
    return str(story.waiting)


def deliveries(chain: MemoryChain) -> list[int]:
    """How many messages each included deliver transaction executed."""
    return [
        sum(part.mask.bit_count() for part in receipt.delivered)
        for receipt in sorted(chain.receipts.values(), key=lambda receipt: receipt.block_number)
    ]


def calls(chain: MemoryChain) -> Counter[bytes]:
    """Transactions of a chain by selector."""
    return Counter(transaction.data[:4] for transaction in chain.mined.values())


def delivery_data(chain: MemoryChain) -> list[bytes]:
    return [transaction.data for transaction in chain.mined.values() if transaction.data[:4] == abi.DELIVER]


def delayed(chains: dict[str, MemoryChain], **terms: object) -> dict[str, MemoryProver]:
    """Provers of which that of chain a has delayed finality."""
    return {
        name: MemoryProver(chain, lag=LAG, **terms) if name == "a" else MemoryProver(chain)  # type: ignore[arg-type]
        for name, chain in chains.items()
    }
