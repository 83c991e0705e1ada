# SPDX-License-Identifier: MIT
"""A daemon between a proof-of-stake chain and a QBFT chain that was away: for whole periods,
or killed in the middle of things.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

from tests.support.ethereum_road import COURT, ETH, EthereumRoad, open_ethereum_road
from tests.support.journal import gas_totals

MISSED_PERIODS = 3
KILLS = 6
#: The shortest ends a daemon before it has a header, the longest lets it deliver and confirm.
SHORTEST_S, LONGEST_S = 0.3, 4.0
AT_ONCE, PAUSE_S = 3, 0.4


async def test_after_missed_periods_the_client_is_brought_up_and_messages_arrive(tmp_path: Path) -> None:
    """INV-6, INV-7: what was sent meanwhile arrives,
    over one update for each period that the client did not know.
    """
    async with open_ethereum_road(tmp_path, slot_time_s=0.05) as road:
        net = road.net
        await net.send_counted(ETH, COURT, 3, 1)
        await net.send_counted(COURT, ETH, 3, 100)
        await net.await_settled(ETH, COURT, 3)
        await net.await_settled(COURT, ETH, 3)
        assert await road.daemon.stop() == 0
        left = road.period
        before, updates = await road.known_until(), len(await road.paid_for(COURT, "update"))

        await road.wait_for_period(left + 1)
        early = await road.send(ETH, COURT, b"sent while nobody was there")
        await net.send_counted(COURT, ETH, 3, 200)
        # Whole periods after the one in which it went away.
        await road.wait_for_period(left + 1 + MISSED_PERIODS)
        late = await road.send(ETH, COURT, b"sent when the client was far behind")
        assert await road.known_until() == before < left + MISSED_PERIODS

        await road.start_daemon()
        await net.await_delivered(ETH, COURT, 5)
        await net.await_delivered(COURT, ETH, 6)
        for message in (early, late):
            assert (await road.prove_delivery(message)).message_id == message.id
        await net.await_settled(ETH, COURT, 5)
        await net.await_settled(COURT, ETH, 6)
        assert await road.daemon.stop() == 0
        brought = await road.known_until() - before
        assert brought >= MISSED_PERIODS
        assert len(await road.paid_for(COURT, "update")) - updates == brought
        await road.assert_once_each(COURT, 5)
        await road.assert_once_each(ETH, 6)


async def test_a_daemon_killed_again_and_again_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """INV-2, INV-6: SIGKILL at random instants while messages go both ways and committees change."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    async with open_ethereum_road(tmp_path) as road:
        net, began, load = road.net, road.period, _Load(road)
        sending = asyncio.create_task(load.run())
        try:
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(SHORTEST_S, LONGEST_S))
                assert road.daemon.is_running()
                assert load.under_way() > 0
                await road.daemon.kill()
                await road.start_daemon()
        finally:
            load.is_over = True
            await sending
        await net.await_delivered(ETH, COURT, load.sent)
        await net.await_delivered(COURT, ETH, load.sent)
        await net.await_settled(ETH, COURT, load.sent)
        await net.await_settled(COURT, ETH, load.sent)
        assert await road.daemon.stop() == 0
        assert road.period > began
        await road.assert_once_each(COURT, load.sent)
        await road.assert_once_each(ETH, load.sent)
        with net.open_journal() as journal, journal.reading() as reading:
            assert journal.pending() == ()
            assert gas_totals(reading)[1] == 0


@dataclass
class _Load:
    """Messages both ways, a few at a time, so that some are always under way.

    `sent`: how many in each direction.
    """

    road: EthereumRoad
    sent: int = 0
    is_over: bool = False

    async def run(self) -> None:
        while not self.is_over:
            await self.road.net.send_counted(ETH, COURT, AT_ONCE, 1 + self.sent)
            await self.road.net.send_counted(COURT, ETH, AT_ONCE, 10_000 + self.sent)
            self.sent += AT_ONCE
            await asyncio.sleep(PAUSE_S)

    def under_way(self) -> int:
        """How many are not final yet, by the journal."""
        return 2 * self.sent - sum(self.road.lane(source).settled for source in (ETH, COURT))
