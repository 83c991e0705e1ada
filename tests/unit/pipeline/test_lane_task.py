# SPDX-License-Identifier: MIT
"""Batches of a lane: when they are sent, what is not paid for, and what the lane says while it waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from relayer.chains.base import Address, SimulatedDelivery
from relayer.errors import CallReverted
from relayer.pipeline.pipeline import BatchSettings
from relayer.pipeline.rules import page
from relayer.protocol.delivery import DeliveryState, WaitingReason
from relayer.protocol.lane import Lane
from tests.support.memory_network import (
    LAG,
    OTHER,
    Clock,
    delayed,
    deliveries,
    reason,
    running_network,
    states,
    two_chains,
)


async def test_a_batch_never_crosses_a_page(tmp_path: Path) -> None:
    async with running_network(tmp_path, two_chains()) as network:
        sent = network.send("a", "b", 600)
        await network.mine_until(lambda: network.is_confirmed(sent[::50]))
        with network.journal.reading() as reading:
            rows = [lane.row for lane in reading.lanes()]
            steps = [step for row in rows for step in reading.transitions(row, 0, 9)]
        assert all(step.first >> 8 == step.last >> 8 for step in steps)
        assert {step.page for step in steps} == {0, 1, 2}
        await network.mine_until(lambda: network.is_confirmed(sent))
        assert sum(deliveries(network.chains["b"])) == 600


async def test_a_lone_message_waits_for_company_but_not_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    batch = BatchSettings(max_wait_ms=60_000)
    async with running_network(tmp_path, two_chains(), batch=batch, clock=clock) as network:
        (first,) = network.send("a", "b")
        await network.mine(4)
        assert states(network, [first]) == ["proven"]
        assert reason(network, first) is WaitingReason.BATCH
        (second,) = network.send("a", "b")
        await network.mine()
        clock.advance(61)
        network.pipeline.lane_tasks[0].wake()
        await network.mine_until(lambda: network.is_confirmed([first, second]))
        assert deliveries(network.chains["b"]) == [2]


async def test_a_full_page_waits_for_nobody(tmp_path: Path) -> None:
    batch = BatchSettings(max_wait_ms=60_000)
    async with running_network(tmp_path, two_chains(), batch=batch) as network:
        sent = network.send("a", "b", 256)
        await network.mine_until(lambda: network.is_confirmed(sent[-1:]))


async def test_a_refusing_recipient_stops_nobody_and_is_paid_for_once(tmp_path: Path) -> None:
    """INV-4, INV-10: the others pass; the refusal is decoded, tried again for nothing, and delivered once it
    may be.
    """
    chains, clock = two_chains(), Clock()
    chains["b"].faults.refusals[OTHER.rjust(32, b"\0")] = bytes.fromhex("deadbeef")
    async with running_network(tmp_path, chains, clock=clock) as network:
        good = network.send("a", "b", 2)
        (bad,) = network.send("a", "b", recipient=OTHER)
        good += network.send("a", "b", 2)
        await network.mine_until(lambda: network.is_confirmed(good))
        await network.mine_until(lambda: states(network, [bad]) == ["failed"])
        story = network.journal.story(bad.id)
        assert story is not None
        assert story.waiting is not None
        assert story.waiting.reason is WaitingReason.RECIPIENT_REVERTS
        assert "0xdeadbeef" in story.waiting.detail
        paid = len(chains["b"].receipts)
        # Every retry is simulated, and as long as it would fail, nothing is sent.
        for _ in range(3):
            clock.advance(4_000)
            network.pipeline.lane_tasks[0].wake()
            await network.mine(2)
        assert len(chains["b"].receipts) == paid
        assert "refused 4 times" in str(network.journal.story(bad.id).waiting)  # type: ignore[union-attr]
        chains["b"].faults.refusals.clear()
        clock.advance(4_000)
        network.pipeline.lane_tasks[0].wake()
        await network.mine_until(lambda: network.is_confirmed([bad]))
        assert network.journal.pending() == ()


async def test_a_price_above_the_limit_is_waited_out(tmp_path: Path) -> None:
    async with running_network(tmp_path, two_chains()) as network:
        await network.mine(2)
        chain = network.chains["b"]
        normal, chain.base_fee_wei = chain.base_fee_wei, 10**13
        (message,) = network.send("a", "b")
        await network.mine(3)
        assert reason(network, message) is WaitingReason.GAS_PRICE
        assert chain.receipts == {}
        chain.base_fee_wei = normal
        await network.mine_until(lambda: network.is_confirmed([message]), blocks=150)


async def test_somebody_elses_delivery_is_seen_and_not_paid_for(tmp_path: Path) -> None:
    """Several relayers without a leader: a look at the destination first."""
    chains = two_chains()
    other = tmp_path / "other"
    other.mkdir()
    async with running_network(tmp_path, chains, batch=BatchSettings(max_wait_ms=3_600_000)) as network:
        sent = network.send("a", "b", 3)
        await network.mine(2)
        async with running_network(other, chains) as rival:
            await rival.mine_until(lambda: rival.is_confirmed(sent))
        paid = len(chains["b"].receipts)
        network.clock.advance(3_601)
        network.pipeline.lane_tasks[0].wake()
        await network.mine_until(lambda: network.is_confirmed(sent))
        assert len(chains["b"].receipts) == paid


async def test_a_paused_lane_is_the_reason(tmp_path: Path) -> None:
    chains = two_chains()
    paused = Lane(chains["a"].endpoint_id, chains["b"].endpoint_id)
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        chains["b"].pending.paused_lanes.add(paused.id)
        await network.mine()
        (message,) = network.send("a", "b")
        await network.mine(4)
        assert reason(network, message) is WaitingReason.PAUSED
        chains["b"].pending.paused_lanes.clear()
        await network.mine_until(lambda: network.is_confirmed([message]), blocks=150)


async def test_a_message_that_fits_no_batch_waits_alone(tmp_path: Path) -> None:
    """INV-4: its gas limit is above the share of a block that a batch may take."""
    async with running_network(tmp_path, two_chains()) as network:
        (huge,) = network.send("a", "b", gas_limit=20_000_000)
        sent = network.send("a", "b", 3)
        await network.mine_until(lambda: network.is_confirmed(sent))
        assert reason(network, huge) is WaitingReason.FEE_POLICY
        story = network.journal.story(huge.id)
        assert story is not None
        assert "max_gas_share" in str(story.waiting)


async def test_somebody_elses_delivery_waits_for_finality_and_is_not_paid_again(tmp_path: Path) -> None:
    """What a provider shows on a destination with delayed finality can't be judged by an older header."""
    chains = two_chains()
    other = tmp_path / "other"
    other.mkdir()
    slow = BatchSettings(max_wait_ms=3_600_000)
    async with running_network(tmp_path, chains, provers=delayed(chains), batch=slow) as network:
        await network.mine(LAG + 1)
        sent = network.send("b", "a", 3)
        await network.mine(2)
        async with running_network(other, chains, provers=delayed(chains)) as rival:
            await rival.mine(4)
            assert rival.delivered_bitmap("b", "a") == 0b111
            paid = len(chains["a"].receipts)
            network.clock.advance(3_601)
            network.pipeline.lane_tasks[1].wake()
            await network.settle(20)
            assert states(network, sent) == ["included"] * 3
            await network.mine_until(lambda: network.is_confirmed(sent), blocks=30)
        assert len(chains["a"].receipts) == paid
        story = network.journal.story(sent[0].id)
        assert story is not None
        assert [step.state for step in story.steps].count(DeliveryState.INCLUDED) == 1


async def test_a_header_whose_proofs_the_destination_refuses_is_left_for_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer members signed it than that client asks for: nothing else need happen for the next one to be
    looked for.
    """
    chains = two_chains()
    monkeypatch.setattr(page, "FIRST_PAUSE_US", 10_000)
    refused: list[int] = []
    simulate = chains["b"].simulate_deliver
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:

        async def refuse(sender: Address, batch: bytes, proof: bytes, gas: int) -> SimulatedDelivery:
            header = network.pipeline.chain_tasks["a"].header
            assert header is not None
            refused.append(header.number)
            if header.number == refused[0]:
                raise CallReverted("ParticipationTooLow", {}, b"\x01")
            return await simulate(sender, batch, proof, gas)

        chains["b"].simulate_deliver = refuse  # type: ignore[method-assign]
        await network.mine(LAG + 1)
        sent = network.send("a", "b")
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=40)
        assert refused[-1] > refused[0]
