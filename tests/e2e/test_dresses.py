# SPDX-License-Identifier: MIT
"""Chains in the dress of a platform, from `init` to daily operation: the commands of the how-tos, and then a
daemon that relays both ways while validators change and a provider dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.devnet.network.network import Network
from tests.live.journey import Journal, send_for
from tests.support.operator import Operator

PAGE = Path(__file__).parents[2] / "docs/how-to/join-a-goquorum-chain.md"
#: Messages that are proven before, between and after what happens.
SOME = 4


@pytest.mark.parametrize(
    "dressed", ["qbft:4:lazy5/goquorum", "qbft:4/besu-free-gas", "ibft2:4/besu-free-gas"]
)
async def test_a_chain_in_dress_is_joined_and_relayed_through_what_happens(
    dressed: str, tmp_path: Path
) -> None:
    """INV-1, INV-2: every message arrives, none twice."""
    async with Network(f"mine={dressed}@0.2,partner=qbft:4:free@0.2") as network:
        mine = network.chain_of("mine", LocalBftChain)
        spare = await mine.add_rpc_server()
        partner = network["partner"]
        operator = Operator(tmp_path, cheap="goquorum" not in dressed)
        chains = {
            "mine": (dressed.partition(":")[0], [mine.http_url, mine.ws_url, spare.http_url]),
            "partner": ("qbft", [partner.http_url, partner.ws_url]),
        }
        rest = await operator.follow(PAGE, chains)
        # Twice is once.
        assert (await operator.json("endpoint", "deploy", "--yes"))["plan"]["steps"] == []
        joined = await operator.put_recipients("mine", "partner")
        happened, journal = asyncio.Event(), Journal()

        async def happen() -> None:
            await _await_proven(journal, SOME)
            mine.add_validator()
            await _await(lambda: len(mine.validators) == 5)
            await mine.rpc_servers[0].stop()
            await _await_proven(journal, SOME)
            mine.remove_validator(mine.validators[0])
            await _await(lambda: len(mine.validators) == 4)
            await _await_proven(journal, SOME)
            happened.set()

        async with operator.relaying() as daemon, asyncio.timeout(240), asyncio.TaskGroup() as group:
            group.create_task(happen())
            await send_for(
                joined,
                [("mine", "partner"), ("partner", "mine")],
                every_s=0.3,
                enough=happened.is_set,
                watch=lambda: _check_running(daemon.is_running()),
                say=lambda _: None,
                journal=journal,
            )
            for command in rest:
                await operator.shell(command, RECIPIENT="0x" + joined.endpoints["partner"].postbox.hex())
            # The relayer proves it for itself, some blocks after the one that shows it to us.
            while await operator.json("pending"):  # noqa: ASYNC110  another process decides
                await asyncio.sleep(0.5)
        assert len(journal.proven) == len(journal.sent)
        for name in network.chains:
            arrived = await joined.arrivals(name)
            assert set(arrived.values()) == {1}
            sent = {message.id for message, _ in journal.sent if message.destination == name}
            assert sent <= set(arrived)
            # The page sends one itself.
            assert len(arrived) == len(sent) + (name == "partner")


def _check_running(running: bool) -> None:
    assert running, "the daemon ended"


async def _await_proven(journal: Journal, more: int) -> None:
    wanted = len(journal.proven) + more
    await _await(lambda: len(journal.proven) >= wanted)


async def _await(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  the test's own timeout ends it
        await asyncio.sleep(0.05)
