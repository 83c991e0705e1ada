# SPDX-License-Identifier: MIT
"""Logs that lack messages or alter them: the lane waits, nothing is paid, and they are read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from relayer.pipeline import chain_task, log_repair
from relayer.protocol.delivery import WaitingReason
from tests.support.memory_network import deliveries, reason, running_network, states, two_chains


async def test_a_provider_that_hides_a_log_makes_the_lane_wait_and_costs_nothing(tmp_path: Path) -> None:
    """INV-1, INV-5: the gap is found by the chain of hashes; what leads to no proven head is not paid for."""
    async with running_network(tmp_path, two_chains()) as network:
        chain = network.chains["a"]
        first = network.send("a", "b", 2)
        await network.mine_until(lambda: network.is_confirmed(first))
        (hidden,) = network.send("a", "b")
        chain.faults.hidden_logs.add(hidden.id)
        (after,) = network.send("a", "b")
        await network.mine(5)
        assert states(network, [hidden, after]) == ["unknown", "unknown"]
        lane = network.pipeline.lane_tasks[0].progress
        assert lane.waiting is not None
        assert lane.waiting.reason is WaitingReason.RPC_TROUBLE
        assert deliveries(network.chains["b"]) == [2]
        # Whoever told the incomplete logs is charged for it.
        assert chain.doubted_logs
        chain.faults.hidden_logs.clear()
        await network.mine_until(lambda: network.is_confirmed([hidden, after]), blocks=150)
        assert lane.waiting is None


async def test_a_log_that_is_hidden_before_too_many_others_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-5: what can't be proven fills no memory, and the lane goes on once the log is shown."""
    monkeypatch.setattr(chain_task, "_MOST_CANDIDATES", 300)
    async with running_network(tmp_path, two_chains()) as network:
        chain = network.chains["a"]
        await network.mine()
        (hidden,) = network.send("a", "b")
        chain.faults.hidden_logs.add(hidden.id)
        network.send("a", "b", 520)
        for _ in range(4):
            await network.mine()
            network.send("a", "b", 200)
        # Those of one span: what comes later is not read.
        assert len(network.pipeline.lane_tasks[0].progress.candidates) == 520
        # The other direction is not held up.
        back = network.send("b", "a")
        await network.mine_until(lambda: network.is_confirmed(back))
        chain.faults.hidden_logs.clear()
        chain_b = network.chains["b"]
        await network.mine_until(lambda: sum(deliveries(chain_b)) == len(network.sent) - 1, blocks=300)


async def test_the_last_messages_log_is_missed_though_no_other_speaks_of_it(tmp_path: Path) -> None:
    """A hidden tail is found by proving the lane's head now and then."""
    async with running_network(tmp_path, two_chains()) as network:
        (hidden,) = network.send("a", "b")
        network.chains["a"].faults.hidden_logs.add(hidden.id)
        await network.mine(3)
        network.pipeline.chain_tasks["a"].out_lanes[0].audited_at = -1_000.0
        await network.mine(2)
        lane = network.pipeline.lane_tasks[0].progress
        assert lane.waiting is not None
        assert lane.waiting.reason is WaitingReason.RPC_TROUBLE
        network.chains["a"].faults.hidden_logs.clear()
        await network.mine_until(lambda: network.is_confirmed([hidden]), blocks=150)


async def test_an_altered_message_waits_alone_and_is_never_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-1: the leaf is proven, the fields do not hash to it; it is hashed past, and others go on."""
    monkeypatch.setattr(log_repair, "FIRST_REREAD_S", 0)
    async with running_network(tmp_path, two_chains()) as network:
        sent = network.send("a", "b", 3)
        network.chains["a"].faults.altered_logs.add(sent[1].id)
        await network.mine_until(lambda: network.is_confirmed([sent[0], sent[2]]))
        assert network.delivered_bitmap("a", "b") == 0b101
        assert states(network, [sent[1]]) == ["refused"]
        assert reason(network, sent[1]) is WaitingReason.RPC_TROUBLE
        network.chains["a"].faults.altered_logs.clear()
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=60)
