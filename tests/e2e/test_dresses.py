# SPDX-License-Identifier: MIT
"""Chains in the dress of a platform, from `init` to daily operation: the commands of the how-tos, and then a
daemon that relays both ways while validators change and a provider dies.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.devnet.network.network import Network
from tests.live.journey import Journal
from tests.support.operator import Operator
from tests.support.under_way import relay_while, until

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

        async def happen(journal: Journal) -> None:
            await journal.await_proven(SOME)
            mine.add_validator()
            await until(lambda: len(mine.validators) == 5)
            await mine.rpc_servers[0].stop()
            await journal.await_proven(SOME)
            mine.remove_validator(mine.validators[0])
            await until(lambda: len(mine.validators) == 4)
            await journal.await_proven(SOME)

        # The page sends one itself.
        await relay_while(operator, joined, happen, then=rest, sent_then=["partner"])
