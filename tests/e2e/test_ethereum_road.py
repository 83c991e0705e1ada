# SPDX-License-Identifier: MIT
"""A proof-of-stake chain and a QBFT chain, with the real daemon between them: rotation, forks,
finality that fails to come.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from light_clients.ethereum.config import ForkName
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.protocol.delivery import DeliveryState
from tests.support.ethereum_road import COURT, ETH, EthereumRoad, open_ethereum_road
from tests.support.journal import gas_totals

BATCH = 5
#: In epochs of 0.8 s. The first fork comes some seconds after the chains are joined.
FORKS = {ForkName.DENEB: 0, ForkName.ELECTRA: 20, ForkName.FULU: 26}


async def test_messages_go_both_ways_and_anyone_can_check_that_they_arrived(tmp_path: Path) -> None:
    """INV-1, INV-2, INV-5: exactly once each, proven by light clients of the library's own."""
    async with open_ethereum_road(tmp_path) as road:
        net = road.net
        there = await road.send(ETH, COURT, b"a deed for the court")
        back = await road.send(COURT, ETH, b"and its answer")
        await net.send_counted(ETH, COURT, 40, 1)
        await net.send_counted(COURT, ETH, 40, 1_000)
        await net.await_delivered(ETH, COURT, 41)
        await net.await_delivered(COURT, ETH, 41)
        for message in (there, back):
            assert (await road.prove_delivery(message)).message_id == message.id
        await net.await_settled(ETH, COURT, 41)
        await net.await_settled(COURT, ETH, 41)
        assert await road.daemon.stop() == 0
        await road.assert_once_each(COURT, 41)
        await road.assert_once_each(ETH, 41)
        with net.open_journal() as journal, journal.reading() as reading:
            assert journal.pending() == ()
            assert gas_totals(reading)[1] == 0
            story = journal.story(there.id)
        # The story of a message that had to wait for finality tells each step once.
        assert story is not None
        assert story.state is DeliveryState.CONFIRMED
        states = [step.state for step in story.steps]
        assert states[0] is DeliveryState.OBSERVED
        assert states.count(DeliveryState.SUBMITTED) == 1


async def test_committees_rotate_while_nothing_is_sent_and_each_costs_one_update(tmp_path: Path) -> None:
    """INV-7: the client on the court follows every period, is never left behind,
    and nobody pays for more than that.
    """
    async with open_ethereum_road(tmp_path, slot_time_s=0.075) as road:
        await road.net.send_counted(ETH, COURT, 1, 1)
        await road.net.await_settled(ETH, COURT, 1)
        known, period = await road.known_until(), road.period
        updates = len(await road.paid_for(COURT, "update"))
        await road.wait_for_period(period + 2)
        await road.wait_until_known(period + 2)
        assert road.daemon.is_running()
        # So far nothing was sent: each update brought one committee.
        brought = await road.known_until() - known
        assert brought >= 1
        assert len(await road.paid_for(COURT, "update")) - updates == brought

        message = await road.send(ETH, COURT, b"after two changes of the committee")
        await road.net.await_delivered(ETH, COURT, 2)
        assert (await road.prove_delivery(message)).sequence == 1
        await road.net.await_settled(ETH, COURT, 2)
        assert await road.daemon.stop() == 0
        await road.assert_once_each(COURT, 2)
        paid = await road.paid(COURT)
        assert {transaction.purpose for transaction in paid} == {"update", "deliver"}
        brought = await road.known_until() - known
        assert sum(transaction.purpose == "update" for transaction in paid) - updates == brought


async def test_forks_pass_while_messages_are_on_their_way(tmp_path: Path) -> None:
    """INV-1, INV-2, INV-5: Deneb, Electra and Fulu change trees and signatures; nothing is lost,
    refused or paid for twice.
    """
    async with open_ethereum_road(tmp_path, forks=FORKS) as road:
        net, network = road.net, road.eth.network
        end = FORKS[ForkName.FULU] * network.preset.slots_per_epoch
        total = 0
        assert _fork_now(road) is ForkName.DENEB
        while road.eth.checkpoint.slot < end:
            await net.send_counted(ETH, COURT, 4, 1 + total)
            await net.send_counted(COURT, ETH, 4, 10_000 + total)
            total += 4
            await asyncio.sleep(0.5)
        await net.await_delivered(ETH, COURT, total)
        await net.await_delivered(COURT, ETH, total)
        await net.await_settled(ETH, COURT, total)
        await net.await_settled(COURT, ETH, total)
        assert await road.daemon.stop() == 0
        await road.assert_once_each(COURT, total)
        await road.assert_once_each(ETH, total)
        # Headers of all three were believed on the court: what deliveries were proven by.
        proven_by = {road.eth.block(height).slot for height in road.proof_heights(ETH)}
        assert {network.fork_at_slot(slot).name for slot in proven_by} == set(FORKS)
        with net.open_journal() as journal:
            assert journal.pending() == ()


def _in_small_batches(text: str, _: LocalEthereumChain) -> str:
    return text.replace("[batch]\n", f"[batch]\nmax_messages = {BATCH}\n")


async def test_batches_under_one_finalized_header_pay_for_its_signature_once(tmp_path: Path) -> None:
    """Several deliveries refer to one anchor; a lone one carries the signature itself."""
    async with open_ethereum_road(tmp_path, edit=_in_small_batches) as road:
        net = road.net
        # One transaction, so one block and one header.
        await net.send_counted(ETH, COURT, 4 * BATCH, 1)
        await net.await_settled(ETH, COURT, 4 * BATCH)
        paid = await road.paid(COURT)
        anchored = [transaction for transaction in paid if transaction.purpose == "deliver"]
        assert [transaction.delivered for transaction in anchored] == [BATCH] * 4
        assert sum(transaction.purpose == "anchor" for transaction in paid) == 1
        assert len(road.proof_heights(ETH)) == 1

        await net.send_counted(ETH, COURT, 1, 100)
        await net.await_settled(ETH, COURT, 4 * BATCH + 1)
        assert len(await road.paid_for(COURT, "anchor")) == 1
        *_, alone = await road.paid_for(COURT, "deliver")
        assert alone.delivered == 1
        # Five messages by the anchor cost less than one that has its header verified.
        assert max(transaction.gas for transaction in anchored) < alone.gas
        assert await road.daemon.stop() == 0
        await road.assert_once_each(COURT, 4 * BATCH + 1)


def _fork_now(road: EthereumRoad) -> ForkName:
    return road.eth.network.fork_at_slot(road.eth.slot).name
