# SPDX-License-Identifier: MIT
"""Beacon nodes that lie, stall and break beside an honest one: deliveries go on, and nothing is paid for
(INV-5).

A lie of one node costs it its score. What a whole sync committee signs twice is no lie of a node but the end
of trust: the client is frozen with what was signed, and the lane says why it waits.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from light_clients.client import Status
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.consensus.ethereum.local.faults import (
    SecondFinality,
    StaleLightClient,
    WithheldFinality,
    WrongLightClient,
)
from relayer.devnet.state.faults import DropConnections, Fault, RpcErrors, SlowAnswers
from relayer.protocol.delivery import WaitingReason
from tests.support.ethereum_road import COURT, ETH, EthereumRoad, open_ethereum_road

FAULTS: list[tuple[str, Fault]] = [
    ("a signature of something else", WrongLightClient(how="signature")),
    ("a member who did not sign", WrongLightClient(how="participation")),
    ("an invented header", WrongLightClient(how="header")),
    ("a finality branch with a flipped bit", WrongLightClient(how="finality-branch")),
    ("a committee branch with a flipped bit", WrongLightClient(how="committee-branch")),
    ("an execution branch with a flipped bit", WrongLightClient(how="execution-branch")),
    ("a committee with a stranger", WrongLightClient(how="committee")),
    ("no object at all", WrongLightClient(how="garbage")),
    ("a node that is stuck", StaleLightClient()),
    ("errors", RpcErrors(http_status=503)),
    ("broken connections", DropConnections()),
    ("slow answers", SlowAnswers(delay_s=0.5)),
]
AT_ONCE = 3


def prefer_the_hostile(text: str, eth: LocalEthereumChain) -> str:
    """The hostile node comes first; the honest one is not the chain's own,
    so that the chain's faults stay its own.
    """
    _, hostile, honest = eth.beacon_servers
    return text.replace(f'beacon = ["{eth.beacon_url}"]', f'beacon = ["{hostile.url}", "{honest.url}"]')


async def test_a_hostile_beacon_node_beside_an_honest_one_stops_and_costs_nothing(tmp_path: Path) -> None:
    """INV-1, INV-2, INV-5, INV-10."""
    async with open_ethereum_road(
        tmp_path, edit=prefer_the_hostile, more_beacons=2, slot_time_s=0.05
    ) as road:
        net = road.net
        _, hostile, honest = road.eth.beacon_servers
        total = 0
        for name, fault in FAULTS:
            with hostile.faults.on(fault):
                await net.send_counted(ETH, COURT, AT_ONCE, 1 + total)
                total += AT_ONCE
                await net.await_delivered(ETH, COURT, total)
            assert road.daemon.is_running(), name
        # It was asked, and had its say; the honest one is blamed for nothing but what is not there yet.
        blamed = await _count_failures(road, hostile.url)
        assert blamed["invalid"] >= 8
        assert blamed["refused"] + blamed["unreachable"] >= 1
        assert set(await _count_failures(road, honest.url)) <= {"missing"}

        # Where nobody is honest nothing is delivered, and the reason is told.
        lie = WrongLightClient(how="signature")
        with hostile.faults.on(lie), honest.faults.on(lie):
            await net.send_counted(ETH, COURT, AT_ONCE, 1 + total)
            sent = road.eth.head.number + 1
            await road.wait_until("finality that nobody shows", lambda: road.eth.finalized.number > sent)
            await road.wait_until("a reason", lambda: WaitingReason.RPC_TROUBLE.value in _lane_reason(road))
            assert await net.delivered_count(ETH, COURT, total + AT_ONCE) == total
        total += AT_ONCE
        await net.await_delivered(ETH, COURT, total)
        await net.await_settled(ETH, COURT, total)
        assert await road.daemon.stop() == 0
        assert "a task failed" not in road.daemon.log.read_text()
        await road.assert_once_each(COURT, total)
        assert await road.paid_for(COURT, "freeze") == []


@pytest.mark.parametrize(
    ("epoch", "changes"),
    [
        pytest.param(3, 0, id="of one committee"),
        # The client on the court does not know yet who signs the second one: it is brought there first.
        pytest.param(5, 1, id="of two committees", marks=pytest.mark.long),
    ],
)
async def test_two_finalized_headers_of_one_slot_freeze_the_client(
    tmp_path: Path, epoch: int, changes: int
) -> None:
    """INV-5, INV-7, INV-10: signed by the committee,
    shown by one node beside an honest one; once, and for good.
    """
    async with open_ethereum_road(tmp_path, edit=prefer_the_hostile, more_beacons=2, slot_time_s=0.2) as road:
        net, eth = road.net, road.eth
        _, hostile, _ = eth.beacon_servers
        await net.send_counted(ETH, COURT, AT_ONCE, 1)
        await net.await_settled(ETH, COURT, AT_ONCE)
        length, period_length = eth.network.preset.slots_per_epoch, eth.network.preset.slots_per_period
        begins = range(epoch * length, (epoch + 1) * length)
        await road.wait_until("the right part of a period", lambda: eth.slot % period_length in begins)
        with eth.faults.on(WithheldFinality()):
            # Finality stands still soon, so that the daemon has verified the honest header when the other one
            # is shown.
            message, since = await road.send(ETH, COURT, b"too late to be believed"), eth.slot
            stands, period = since + 2 * length, road.period + changes
            await road.wait_until(
                "the last finality is verified",
                lambda: (
                    eth.slot > stands
                    and eth.slot > period * period_length + changes
                    and road.verified(ETH) == eth.finalized.number
                ),
            )
            assert road.period == period
            with hostile.faults.on(SecondFinality()):
                await road.wait_until("a frozen client", lambda: _is_frozen(road))
        await road.wait_until("finality", lambda: eth.finalized.number >= message.block_number)
        await road.wait_until("the lane's reason", lambda: "frozen" in _lane_reason(road))
        waiting = road.lane(ETH).waiting
        assert waiting is not None
        assert waiting.reason is WaitingReason.CLIENT_EXPIRED
        assert await net.delivered_count(ETH, COURT, AT_ONCE + 1) == AT_ONCE
        assert message.id in {item.leaf for item in road.pending(ETH)}
        assert await road.daemon.stop() == 0
        (freeze,) = await road.paid_for(COURT, "freeze")
        assert freeze.succeeded
        await road.assert_once_each(COURT, AT_ONCE)


async def _is_frozen(road: EthereumRoad) -> bool:
    return await road.client_status() is Status.FROZEN


def _lane_reason(road: EthereumRoad) -> str:
    return str(road.lane(ETH).waiting)


async def _count_failures(road: EthereumRoad, url: str) -> Counter[str]:
    """How many answers of a node the daemon has refused or not had, by kind, as its metrics tell."""
    address = road.net.config.api.listen
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/metrics") as answer:
        text = await answer.text()
    label = re.escape(url.removeprefix("http://"))
    line = rf'^postroad_rpc_errors_total{{chain="eth",kind="(\w+)",provider="{label}"}} (\S+)$'
    return Counter({kind: int(float(count)) for kind, count in re.findall(line, text, re.MULTILINE)})
