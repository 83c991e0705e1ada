# SPDX-License-Identifier: MIT
"""A chain goes from one BFT protocol to another while messages are under way, and nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.devnet.network.network import Network
from tests.live.journey import Journal
from tests.support.operator import Joined, Operator
from tests.support.under_way import relay_while, until

PAGE = Path(__file__).parents[2] / "docs/how-to/join-a-goquorum-chain.md"
#: Messages that are proven before, between and after what happens.
SOME = 3
#: The first block of the later protocol: even on a slow machine, it comes after the chains are joined.
CHANGE = 1_000
#: How far before it blocks are made at once, so that nobody waits for them.
NEAR = 40


async def _join(network: Network, operator: Operator, then: str) -> Joined:
    """Join `mine`, whose configuration gets a line more, with `partner`."""
    mine, partner = network.chain_of("mine", LocalBftChain), network["partner"]
    spare = await mine.add_rpc_server()
    word = str(mine.describe().consensus["protocol"])
    chains = {
        "mine": (word, [mine.http_url, mine.ws_url, spare.http_url]),
        "partner": ("qbft", [partner.http_url, partner.ws_url]),
    }
    setting = f'protocol = "{word}"\n'
    await operator.follow(PAGE, chains, {setting: setting + then})
    joined = await operator.put_recipients("mine", "partner")
    assert mine.head.number < CHANGE - NEAR, "the machine is too slow for this test's blocks"
    return joined


async def _come_near(chain: LocalBftChain) -> None:
    while chain.head.number < CHANGE - NEAR:
        await chain.mine()


@pytest.mark.parametrize("first", ["ibft2", "ibft"])
async def test_a_change_of_the_protocol_is_followed_through(first: str, tmp_path: Path) -> None:
    """INV-1, INV-2: with a removal before it and a new validator behind it, every message arrives, once."""
    async with Network(f"mine=bft:{first}-qbft-{CHANGE}:5:free@0.2,partner=qbft:4:free@0.2") as network:
        mine = network.chain_of("mine", LocalBftChain)
        operator = Operator(tmp_path, cheap=True)
        then = f'then = {{ protocol = "qbft", from_height = {CHANGE} }}\n'
        joined = await _join(network, operator, then)

        async def happen(journal: Journal) -> None:
            await journal.await_proven(SOME)
            await _come_near(mine)
            mine.remove_validator(mine.validators[0])
            await until(lambda: len(mine.validators) == 4)
            await journal.await_proven(SOME)
            await until(lambda: mine.head.number > CHANGE)
            mine.add_validator()
            await until(lambda: len(mine.validators) == 5)
            await journal.await_proven(2 * SOME)

        await relay_while(operator, joined, happen)
        await operator.shell("postroad endpoint check")


async def test_a_change_that_nobody_wrote_down_is_told_with_its_block_and_setting(tmp_path: Path) -> None:
    """INV-10: what waits says why, and `check` says what to write."""
    async with Network(f"mine=bft:ibft2-qbft-{CHANGE}:4:free@0.2,partner=qbft:4:free@0.2") as network:
        mine = network.chain_of("mine", LocalBftChain)
        operator = Operator(tmp_path, cheap=True)
        joined = await _join(network, operator, "")
        async with operator.relaying(), asyncio.timeout(150):
            await _come_near(mine)
            await until(lambda: mine.head.number > CHANGE + 2)
            # Nobody sends what could not be proven; what is under way to the chain says what it waits for.
            to = {name: "0x" + endpoint.postbox.hex() for name, endpoint in joined.endpoints.items()}
            await operator.shell(f"postroad send mine partner --to {to['partner']} --text no", code=5)
            await operator.shell(f"postroad send partner mine --to {to['mine']} --text waits")
            # Another process decides.
            while "sealed as QBFT" not in str(await operator.json("pending")):  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        checked = await operator.json("endpoint", "check", code=1)
        told = str(checked)
        assert f"a chain with IBFT 2.0 until block {CHANGE - 1} and QBFT from block {CHANGE} on" in told
        setting = f'then = {{ protocol = "qbft", from_height = {CHANGE} }}'
        assert setting in told
        # With the setting, the chain is believed again, and the client on the other one is refused.
        text = operator.config.read_text()
        operator.config.write_text(text.replace('protocol = "ibft2"\n', f'protocol = "ibft2"\n{setting}\n'))
        told = str(await operator.json("endpoint", "check", code=1))
        assert "a client for IBFT 2.0" in told
        assert "replace the client" in told
        # Another one can be deployed at once; that it is believed waits for the admin's delay.
        await operator.shell("postroad client replace mine partner --yes")
