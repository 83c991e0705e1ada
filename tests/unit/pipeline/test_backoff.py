# SPDX-License-Identifier: MIT
"""What pauses, for how long, and what ends it: a refused batch pauses its page, an outage ends with its end,
and a clock that is set delays nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from relayer.chains.base import Address, SimulatedDelivery
from relayer.errors import CallRevertedRetryable
from relayer.pipeline import chain_task, client_task
from relayer.pipeline.pipeline import BatchSettings
from relayer.pipeline.rules import page
from relayer.protocol.delivery import WaitingReason
from tests.support.memory_network import (
    OTHER,
    Clock,
    close_network,
    deliveries,
    open_network,
    reason,
    running_network,
    states,
    two_chains,
)

HOUR_S = 3_600


@pytest.mark.parametrize("wrong_s", [HOUR_S, -HOUR_S])
async def test_a_clock_that_is_put_right_delays_no_message(tmp_path: Path, wrong_s: int) -> None:
    """Messages that were proven while the clock was wrong wait for company no longer than others."""
    clock = Clock()
    batch = BatchSettings(max_wait_ms=1_000)
    async with running_network(tmp_path, two_chains(), clock=clock, batch=batch) as network:
        clock.set_wrong(wrong_s)
        sent = network.send("a", "b")
        await network.mine(2)
        assert states(network, sent) == ["proven"]
        clock.set_wrong(0)
        clock.advance(1)
        network.pipeline.lane_tasks[0].wake()
        await network.mine_until(lambda: network.is_confirmed(sent))


@pytest.mark.parametrize("wrong_s", [10 * HOUR_S, -10 * HOUR_S])
async def test_a_clock_that_is_put_right_delays_no_retry(tmp_path: Path, wrong_s: int) -> None:
    chains, clock = two_chains(), Clock()
    chains["b"].faults.refusals[OTHER.rjust(32, b"\0")] = b"no"
    network = await open_network(tmp_path, chains, clock=clock)
    clock.set_wrong(wrong_s)
    first = network.send("a", "b", recipient=OTHER)
    await network.mine_until(lambda: states(network, first) == ["failed"])
    clock.set_wrong(0)
    chains["b"].faults.refusals.clear()
    clock.advance(16)
    network.pipeline.lane_tasks[0].wake()
    await network.mine_until(lambda: network.is_confirmed(first))
    # Another process has only the stored time, and waits for it no longer than any message waits.
    chains["b"].faults.refusals[OTHER.rjust(32, b"\0")] = b"no"
    clock.set_wrong(wrong_s)
    second = network.send("a", "b", recipient=OTHER)
    await network.mine_until(lambda: states(network, second) == ["failed"])
    await close_network(network)
    clock.set_wrong(0)
    chains["b"].faults.refusals.clear()
    async with running_network(tmp_path, chains, clock=clock) as network:
        clock.advance(HOUR_S)
        network.pipeline.lane_tasks[0].wake()
        await network.mine_until(lambda: network.is_confirmed(second))


async def test_a_refused_batch_pauses_its_page_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-4: whatever the reason is, messages of other pages are not held up by it."""
    monkeypatch.setattr(page, "FIRST_PAUSE_US", 3_600_000_000)
    monkeypatch.setattr(page, "_LONGEST_PAUSE_US", 3_600_000_000)
    chains, tries = two_chains(), []
    simulate = chains["b"].simulate_deliver

    async def refuse(sender: Address, batch: bytes, proof: bytes, gas: int) -> SimulatedDelivery:
        if b"poison" in batch:
            tries.append(batch)
            raise CallRevertedRetryable("HeadMismatch", {}, b"1234")
        return await simulate(sender, batch, proof, gas)

    chains["b"].simulate_deliver = refuse  # type: ignore[method-assign]
    async with running_network(tmp_path, chains) as network:
        poison = chains["a"].send(chains["b"], b"poison")
        sent = network.send("a", "b", 300, gas_limit=10_000)
        await network.mine_until(lambda: network.is_confirmed(sent[255:]))
        assert tries
        before = len(tries)
        assert network.delivered_bitmap("a", "b") & 1 == 0
        later = network.send("a", "b", 20, gas_limit=10_000)
        await network.mine_until(lambda: network.is_confirmed(later), blocks=8)
        # What was refused is not tried again because others pass.
        assert len(tries) == before
        assert reason(network, poison) is WaitingReason.CLIENT_UPDATE


async def test_pauses_end_with_the_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the destination was down: its next verified header ends the pauses that came of it."""
    monkeypatch.setattr(page, "FIRST_PAUSE_US", 3_600_000_000)
    monkeypatch.setattr(page, "_LONGEST_PAUSE_US", 3_600_000_000)
    async with running_network(tmp_path, two_chains()) as network:
        first = network.send("a", "b")
        await network.mine_until(lambda: network.is_confirmed(first))
        network.chains["b"].faults.down = True
        sent = network.send("a", "b", 50)
        await network.mine(5)
        assert states(network, sent) == ["proven"] * 50
        assert reason(network, sent[0]) is WaitingReason.RPC_TROUBLE
        held = network.pipeline.lane_tasks[0].progress.pages[0].held
        assert held is not None
        assert not held.is_refusal
        network.chains["b"].faults.down = False
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=8)
        assert sum(deliveries(network.chains["b"])) == 51


async def test_a_silent_chain_that_can_not_be_asked_is_the_reason_on_all_its_lanes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-10: also where nobody has observed a message yet; and its pauses end once it can be asked."""
    monkeypatch.setattr(chain_task, "SILENCE_S", 0.02)
    monkeypatch.setattr(page, "FIRST_PAUSE_US", 3_600_000_000)
    monkeypatch.setattr(page, "_LONGEST_PAUSE_US", 3_600_000_000)
    async with running_network(tmp_path, two_chains()) as network:
        lanes = [task.progress for task in network.pipeline.lane_tasks]
        await network.mine_until(lambda: [progress.waiting for progress in lanes] == [None, None])
        faults = network.chains["b"].faults
        faults.down = faults.frozen_heads = True
        sent = network.send("a", "b")
        await network.mine(3)
        for progress in lanes:
            assert progress.waiting is not None
            assert progress.waiting.reason is WaitingReason.RPC_TROUBLE
            assert "b is down" in progress.waiting.detail
        faults.down = False
        await network.mine_until(lambda: len(network.chains["b"].receipts) == 1)
        faults.frozen_heads = False
        await network.mine_until(lambda: network.is_confirmed(sent))
        assert [progress.waiting for progress in lanes] == [None, None]


async def test_a_client_that_could_not_be_read_is_read_once_its_chain_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than the test; a wake is answered within a tenth of it.
    monkeypatch.setattr(client_task, "_RETRY_S", 9.0)
    chains = two_chains()
    chains["b"].faults.down = True
    async with running_network(tmp_path, chains) as network:
        sent = network.send("a", "b")
        await network.mine(4)
        assert network.pipeline.client_tasks["a", "b"].waiting is not None
        chains["b"].faults.down = False
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=60)
