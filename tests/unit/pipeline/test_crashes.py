# SPDX-License-Identifier: MIT
"""INV-6: a process that ends at any instant loses no message and repeats no effect.

An instant is the moment before or after anything that leaves the process: a commit, a signature, a broadcast.
The run is cut at every fourth of them in turn: from then on nothing of the old process comes through. A new
one takes over the same journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from relayer.protocol.message import Message
from relayer.testing.chain import MemoryChain
from tests.support.journal import gas_totals
from tests.support.memory_network import MemoryNetwork, close_network, open_network, two_chains


class Mortality:
    """Counts instants, and ends everything at one of them."""

    def __init__(self, dies_at: int) -> None:
        self.dies_at = dies_at
        self.count = 0

    async def instant(self) -> None:
        self.count += 1
        if self.count >= self.dies_at:
            await asyncio.get_running_loop().create_future()

    @property
    def is_over(self) -> bool:
        return self.count >= self.dies_at

    def wrap(self, call: Callable[..., Awaitable[Any]]) -> Any:
        async def mortal(*arguments: Any, **named: Any) -> Any:
            await self.instant()
            result = await call(*arguments, **named)
            await self.instant()
            return result

        return mortal


def make_mortal(network: MemoryNetwork, dies_at: int) -> Mortality:
    mortality = Mortality(dies_at)
    network.journal.commit = mortality.wrap(network.journal.commit)  # type: ignore[method-assign]
    post = network.journal.post

    def mortal_post(work: Any) -> None:
        if not mortality.is_over:
            post(work)

    network.journal.post = mortal_post  # type: ignore[method-assign]
    for chain in network.chains.values():
        chain.offer = mortality.wrap(MemoryChain.offer.__get__(chain))  # type: ignore[method-assign]
    return mortality


async def bury(network: MemoryNetwork) -> None:
    """What a dead process leaves: no task, no lock, and accounts that know nothing of its nonces."""
    await network.pipeline.supervisor.stop()
    for lane in network.pipeline.lane_tasks:
        await lane.drain(0)
    for chain_task in network.pipeline.chain_tasks.values():
        await chain_task.sender.finish_critical(0)
    network.journal.close()
    for chain in network.chains.values():
        chain.offer = MemoryChain.offer.__get__(chain)  # type: ignore[method-assign]


def executed(chain: MemoryChain) -> list[int]:
    return [part.mask.bit_count() for receipt in chain.receipts.values() for part in receipt.delivered]


INSTANTS = range(1, 100, 4)


async def live(
    folder: Path, chains: dict[str, MemoryChain], dies_at: int
) -> tuple[MemoryNetwork, Mortality, list[Message]]:
    """A life that ends at an instant, or after the work where that comes first."""
    chains["b"].faults.refusals[b"\x33".rjust(32, b"\0")] = b"no"
    network = await open_network(folder, chains, start=False)
    mortality = make_mortal(network, dies_at)
    network.pipeline.start()
    sent = [*network.send("a", "b", 3), *network.send("b", "a", 1)]
    for _ in range(3):
        await network.mine()
        sent += network.send("a", "b", 1)
    for _ in range(4):
        if not mortality.is_over:
            await network.mine()
    return network, mortality, sent


async def live_and_die(folder: Path, dies_at: int) -> None:
    chains = two_chains()
    first, _, sent = await live(folder, chains, dies_at)
    await bury(first)
    second = await open_network(folder, chains)
    try:
        await second.mine_until(lambda: second.is_confirmed(sent), blocks=60)
        assert second.delivered_bitmap("a", "b") == 0b111111
        assert second.delivered_bitmap("b", "a") == 0b1
        for chain in chains.values():
            # Every included transaction moved something: none was signed for what another one carried.
            assert all(executed(chain))
            assert all(receipt.succeeded for receipt in chain.receipts.values())
        assert sum(executed(chains["b"])) == 6
        with second.journal.reading() as reading:
            assert gas_totals(reading)[1] == 0
    finally:
        await close_network(second)


@pytest.mark.parametrize("dies_at", INSTANTS)
async def test_a_life_that_is_cut_at_any_instant_is_taken_up(tmp_path: Path, dies_at: int) -> None:
    await live_and_die(tmp_path, dies_at)


async def test_the_instants_reach_to_the_end_of_the_work(tmp_path: Path) -> None:
    network, mortality, sent = await live(tmp_path, two_chains(), 10**9)
    assert network.is_confirmed(sent)
    await bury(network)
    assert mortality.count <= INSTANTS[-1]
