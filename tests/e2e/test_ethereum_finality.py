# SPDX-License-Identifier: MIT
"""Finality that does not come, and committees of which too few sign: what waits says why,
and nothing is paid for it.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from relayer.consensus.ethereum.local.faults import Participation, WithheldFinality
from relayer.protocol.delivery import DeliveryState, WaitingReason
from tests.support.ethereum_road import COURT, ETH, EthereumRoad, open_ethereum_road

FINALITY = re.compile(r"waiting for finality \((\d+) of about (\d+) slots(, which is late)?")
#: Slow enough for a busy machine: a period that the fault leaves without finality can never be followed over.
SLOW_SLOT_S = 0.2
COMMITTEE = 32
LEAST = 22


async def test_messages_wait_for_withheld_finality_and_say_so(tmp_path: Path) -> None:
    """INV-1, INV-5, INV-10: nothing is delivered before it is final; both ends' reasons are readable;
    all arrive after it.
    """
    async with open_ethereum_road(tmp_path, slot_time_s=SLOW_SLOT_S) as road:
        net, eth = road.net, road.eth
        await net.send_counted(ETH, COURT, 1, 1)
        await net.await_settled(ETH, COURT, 1)
        paid = len(await road.paid_for(COURT, "deliver"))
        await _until_period_has_finality(road)
        with eth.faults.on(WithheldFinality()):
            await _until_finality_stands(road)
            there = await road.send(ETH, COURT, b"waits on its source")
            back = await road.send(COURT, ETH, b"waits on its destination")
            await net.await_delivered(COURT, ETH, 1)
            await road.wait_until("late finality", lambda: _is_late(road, ETH) and _is_late(road, COURT))

            # The one that was sent waits unproven; the one that was delivered is not called final.
            (sent,) = road.pending(ETH)
            assert (sent.leaf, sent.state) == (there.id, DeliveryState.OBSERVED)
            assert sent.waiting.reason is WaitingReason.FINALITY
            assert "1 message sent on eth from block" in sent.waiting.detail
            passed, needed, _ = _slots(sent.waiting.detail)
            assert passed > needed >= 16
            (delivered,) = road.pending(COURT)
            assert (delivered.leaf, delivered.state) == (back.id, DeliveryState.INCLUDED)
            assert delivered.waiting.reason is WaitingReason.FINALITY
            assert "1 message delivered on eth from block" in delivered.waiting.detail
            # An operator who asks is told the same. Block times are whole seconds, so slots are counted no
            # finer here.
            told, again, is_late = _slots(await _trace(road, there.id))
            assert is_late
            assert again >= 16
            assert told > passed - 1 / SLOW_SLOT_S
            assert await net.delivered_count(ETH, COURT, 2) == 1
            assert len(await road.paid_for(COURT, "deliver")) == paid
        await net.await_delivered(ETH, COURT, 2)
        await net.await_settled(ETH, COURT, 2)
        await net.await_settled(COURT, ETH, 1)
        assert (await road.prove_delivery(there)).message_id == there.id
        assert (await road.prove_delivery(back)).message_id == back.id
        assert await road.daemon.stop() == 0
        await road.assert_once_each(COURT, 2)
        await road.assert_once_each(ETH, 1)


async def test_below_two_thirds_nothing_is_delivered_and_from_there_on_absentees_are_told(
    tmp_path: Path,
) -> None:
    """INV-5, INV-7, INV-10."""
    async with open_ethereum_road(tmp_path) as road:
        net, eth = road.net, road.eth
        await net.send_counted(ETH, COURT, 1, 1)
        await net.await_settled(ETH, COURT, 1)
        before = await road.paid(COURT)
        with eth.faults.on(Participation(share=(LEAST - 1) / COMMITTEE)):
            await _until_signed_by(road, LEAST - 1)
            await net.send_counted(ETH, COURT, 4, 10)
            final = eth.head.number + 1
            # The block becomes final: validators vote, only the sync committee is thin.
            await road.wait_until("finality of what was sent", lambda: eth.finalized.number > final)
            await road.wait_until("late finality", lambda: _is_late(road, ETH))
            assert {waiting.waiting.reason for waiting in road.pending(ETH)} == {WaitingReason.FINALITY}
            assert len(road.pending(ETH)) == 4
            assert await net.delivered_count(ETH, COURT, 5) == 1
            assert await road.paid(COURT) == before
        with eth.faults.on(Participation(share=LEAST / COMMITTEE)):
            await net.await_delivered(ETH, COURT, 5)
            # Everybody who signed since the fault began was one of few: no header with more members was there
            # to prove by.
            await _until_signed_by(road, LEAST)
            last = await road.send(ETH, COURT, b"proven by the least of quorums")
            await net.await_delivered(ETH, COURT, 6)
            assert (await road.prove_delivery(last)).message_id == last.id
            await net.await_settled(ETH, COURT, 6)
        assert await road.daemon.stop() == 0
        await road.assert_once_each(COURT, 6)


async def _until_period_has_finality(road: EthereumRoad) -> None:
    """Wait until the period has just finalized a block of its own, so that the next one need not soon."""
    preset = road.eth.network.preset
    await road.wait_until(
        "a period's fourth epoch",
        lambda: road.eth.slot % preset.slots_per_period // preset.slots_per_epoch == 3,
    )


async def _until_finality_stands(road: EthereumRoad) -> None:
    """Wait until blocks that were voted for before are final: from now on nothing is any more."""
    since = road.eth.slot
    length = road.eth.network.preset.slots_per_epoch
    await road.wait_until("two epochs without votes", lambda: road.eth.slot > since + 2 * length)


async def _until_signed_by(road: EthereumRoad, members: int) -> None:
    """Wait until the newest finality is signed by so many members."""

    def is_so() -> bool:
        update = road.eth.beacon.finality_update()
        return update is not None and sum(update.sync_aggregate.sync_committee_bits) == members

    await road.wait_until(f"finality signed by {members}", is_so)


def _slots(detail: str) -> tuple[int, int, bool]:
    """Passed, needed, and whether that is late."""
    told = FINALITY.search(detail)
    assert told is not None, detail
    return int(told[1]), int(told[2]), told[3] is not None


def _is_late(road: EthereumRoad, source: str) -> bool:
    pending = road.pending(source)
    return bool(pending) and all("which is late" in waiting.waiting.detail for waiting in pending)


async def _trace(road: EthereumRoad, message_id: bytes) -> str:
    """What `postroad trace` prints."""
    words = ("trace", f"0x{message_id.hex()}", "--config", str(road.net.config_path))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relayer.cli", *words, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    # A narrow terminal wraps.
    return " ".join(out.decode().split())
