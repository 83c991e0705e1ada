# SPDX-License-Identifier: MIT
"""More pages than fit into memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from relayer.pipeline import chain_task, page_window
from tests.support.memory_network import OTHER, Clock, deliveries, running_network, states, two_chains


async def test_a_backlog_larger_than_memory_is_worked_off_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages beyond the window stay in the journal until there is room, across a restart too."""
    monkeypatch.setattr(chain_task, "WINDOW", 2)
    monkeypatch.setattr(page_window, "WINDOW", 2)
    chains = two_chains()
    async with running_network(tmp_path, chains) as network:
        chains["b"].faults.down = True
        sent = network.send("a", "b", 900, gas_limit=10_000)
        await network.mine(3)
        progress = network.pipeline.lane_tasks[0].progress
        assert (progress.proven, sorted(progress.pages), progress.backlog()) == (900, [0, 1], 900)
    chains["b"].faults.down = False
    async with running_network(tmp_path, chains) as network:
        progress = network.pipeline.lane_tasks[0].progress
        assert sorted(progress.pages) == [0, 1]
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=200)
        assert sum(deliveries(chains["b"])) == 900
        assert progress.settled == 900


async def test_messages_that_nobody_accepts_do_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-4: a refused message in every page, more pages than fit, and still all others pass."""
    monkeypatch.setattr(chain_task, "WINDOW", 2)
    monkeypatch.setattr(page_window, "WINDOW", 2)
    chains, clock = two_chains(), Clock()
    chains["b"].faults.refusals[OTHER.rjust(32, b"\0")] = b""
    async with running_network(tmp_path, chains, clock=clock) as network:
        good, bad = [], []
        for _ in range(4):
            bad += network.send("a", "b", recipient=OTHER)
            good += network.send("a", "b", 255, gas_limit=10_000)
        for _ in range(6):
            await network.mine(3)
            # Refused often enough, they rest for longer than a page stays in memory.
            clock.advance(200)
            network.pipeline.lane_tasks[0].wake()
        await network.mine_until(lambda: network.is_confirmed(good), blocks=200)
        assert states(network, bad) == ["failed"] * 4
        progress = network.pipeline.lane_tasks[0].progress
        assert progress.parked
        assert progress.backlog() == 4
        chains["b"].faults.refusals.clear()
        clock.advance(8_000)
        network.pipeline.lane_tasks[0].wake()
        await network.mine_until(lambda: network.is_confirmed(bad), blocks=200)
        assert progress.settled == 1024
