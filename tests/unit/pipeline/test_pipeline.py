# SPDX-License-Identifier: MIT
"""The whole pipeline between in-memory chains: both ways, and beside a chain that is down or hangs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relayer.pipeline import pipeline
from relayer.protocol.delivery import WaitingReason
from relayer.testing.chain import MemoryChain, join
from tests.support.memory_network import reason, running_network, two_chains


async def test_messages_go_both_ways_and_are_confirmed(tmp_path: Path) -> None:
    async with running_network(tmp_path, two_chains()) as network:
        there, back = network.send("a", "b", 3), network.send("b", "a", 2)
        await network.mine_until(lambda: network.is_confirmed([*there, *back]))
        assert (network.delivered_bitmap("a", "b"), network.delivered_bitmap("b", "a")) == (0b111, 0b11)
        story = network.journal.story(there[0].id)
        assert story is not None
        assert [step.state.value for step in story.steps] == [
            "observed",
            "verified",
            "proven",
            "submitted",
            "included",
            "confirmed",
        ]
        assert story.waiting is None
        assert network.journal.pending() == ()


async def test_a_chain_that_is_down_slows_no_other(tmp_path: Path) -> None:
    """One bad chain: its lanes say so, the others deliver as ever, and it is taken up again when
    it is back.
    """
    chains = {name: MemoryChain(name, 1001 + number) for number, name in enumerate("abc")}
    for first, second in ("ab", "ac", "bc"):
        join(chains[first], chains[second])
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        chains["c"].faults.down = True
        fine, stuck = network.send("a", "b", 2), network.send("a", "c", 2)
        await network.mine_until(lambda: network.is_confirmed(fine), blocks=8)
        assert reason(network, stuck[0]) is WaitingReason.RPC_TROUBLE
        chains["c"].faults.down = False
        await network.mine_until(lambda: network.is_confirmed(stuck), blocks=120)


async def test_a_chain_that_hangs_slows_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ever answered, which is worse than an error: only the lanes of that chain wait, and draining
    ends.
    """
    monkeypatch.setattr(pipeline, "DRAIN_S", 0.2)
    chains = {name: MemoryChain(name, 1001 + number) for number, name in enumerate("abc")}
    for first, second in ("ab", "ac", "bc"):
        join(chains[first], chains[second])
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)

        async def hang(*_: object, **__: object) -> None:
            await asyncio.get_running_loop().create_future()

        for method in (
            "sent_messages",
            "delivered_bitmap",
            "receipt",
            "call",
            "remote",
            "simulate_deliver",
            "broadcast",
        ):
            setattr(chains["c"], method, hang)
        fine, stuck = network.send("a", "b", 2), network.send("a", "c", 2)
        back = network.send("b", "a", 2)
        await network.mine_until(lambda: network.is_confirmed([*fine, *back]), blocks=8)
        assert reason(network, stuck[0]) is WaitingReason.BATCH
        for method in (
            "sent_messages",
            "delivered_bitmap",
            "receipt",
            "call",
            "remote",
            "simulate_deliver",
            "broadcast",
        ):
            delattr(chains["c"], method)
