# SPDX-License-Identifier: MIT
"""Heads as they come, and logs in spans."""

from __future__ import annotations

import asyncio

import pytest

from light_clients.client import Height
from relayer.chains.base import SentMessage
from relayer.pipeline.watch import HeadWatcher, LogScanner
from tests.support.memory_network import two_chains


async def test_a_slow_consumer_gets_the_newest_head_once() -> None:
    chain = two_chains()["a"]
    watcher = HeadWatcher(chain)
    assert watcher.newest is None
    task = asyncio.create_task(watcher.run())
    await asyncio.sleep(0.01)
    for _ in range(3):
        await chain.mine()
        await asyncio.sleep(0.01)
    assert (await watcher.next()).number == 3
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await watcher.next()
    # A wake gives the same head another time.
    watcher.wake()
    assert (await watcher.next()).number == 3
    task.cancel()


async def test_logs_are_read_onwards_and_only_those_of_the_blocks_asked_for() -> None:
    chains = two_chains()
    early = chains["a"].send(chains["b"])
    await chains["a"].mine(2)
    late = chains["a"].send(chains["b"])
    await chains["a"].mine()
    real = chains["a"].sent_messages

    async def add_others(first: Height, last: Height) -> list[SentMessage]:
        del first, last
        return await real(Height(0), Height(9))

    chains["a"].sent_messages = add_others  # type: ignore[method-assign]
    scanner = LogScanner(chains["a"], 0)
    observed = await scanner.scan(Height(2))
    assert (observed.first, observed.last) == (1, 2)
    assert [sent.message for sent in observed.sent] == [early]
    scanner.scanned = observed.last
    observed = await scanner.scan(Height(3))
    assert [sent.message for sent in observed.sent] == [late]
    scanner.scanned = observed.last
    assert (await scanner.scan(Height(3))).sent == ()


async def test_a_span_with_many_messages_makes_the_next_ones_shorter() -> None:
    chains = two_chains()
    asked: list[tuple[int, int]] = []
    (sent,) = [chains["a"].send(chains["b"])]
    await chains["a"].mine()
    (log,) = await chains["a"].sent_messages(Height(1), Height(1))
    assert log.message == sent

    async def crowded(first: Height, last: Height) -> list[SentMessage]:
        asked.append((first, last))
        return [SentMessage(log.message, log.claimed_id, first, log.block_hash, log.tx_hash, 0)] * 8_192

    chains["a"].sent_messages = crowded  # type: ignore[method-assign]
    scanner = LogScanner(chains["a"], 0)
    for _ in range(3):
        scanner.scanned = (await scanner.scan(Height(100_000))).last
    lengths = [last - first + 1 for first, last in asked]
    assert lengths == [2_000, 1_000, 500]
