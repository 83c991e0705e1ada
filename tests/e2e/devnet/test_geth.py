# SPDX-License-Identifier: MIT
"""A local chain that go-ethereum's own signers seal. Needs a program that POSTROAD_GETH names, or that was
built before; `make live-clique` builds it where Go is, and runs these tests as well.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from light_clients.clique.header import CliqueHeader
from relayer.consensus.clique.local.geth.chain import GethCliqueChain
from relayer.consensus.clique.local.geth.program import is_built
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.errors import ExecutionError, SpecError
from relayer.devnet.network import background
from relayer.devnet.network.network import Network
from relayer.devnet.process.child_process import running_pids
from relayer.devnet.process.process_identity import start_mark
from tests.support.devnet import Client

pytestmark = pytest.mark.skipif(
    not is_built(), reason="no geth 1.13.15: POSTROAD_GETH names none, and none was built"
)

SOMEBODY = bytes.fromhex("11" * 20)


def count_nodes(chain: GethCliqueChain) -> int:
    return len(chain.pids)


@pytest.fixture
async def chain() -> AsyncIterator[GethCliqueChain]:
    options = ChainOptions(seed=b"geth", admin=True, funded=3)
    async with Network("court=clique:3:geth@1", options) as network:
        yield network.chain_of("court", GethCliqueChain)
    assert not running_pids()


async def test_its_blocks_are_those_of_the_signers_and_of_london(chain: GethCliqueChain) -> None:
    await chain.wait_for(4)
    assert len(chain.signers) == 3
    async with Client(chain.http_url) as client:
        genesis = await client.call("eth_getBlockByNumber", "0x0", False)
        assert bytes.fromhex(genesis["hash"][2:]) == chain.genesis_hash
        sealers = set()
        for number in range(1, 5):
            block = await client.call("eth_getBlockByNumber", hex(number), False)
            header = CliqueHeader.from_rpc(block)
            assert "0x" + header.block_hash.hex() == block["hash"]
            sealers.add(header.signer)
            assert "baseFeePerGas" in block
        assert sealers <= set(chain.signers)
        assert len(sealers) >= 2
        key = chain.funded_keys[0].address_text
        assert int(await client.call("eth_getBalance", key, "latest"), 16) == chain.options.balance_wei
    details = chain.describe()
    assert details.summary == "Clique, 3 signers of go-ethereum 1.13.15"
    assert len(details.facts["nodes"]) == 3


async def test_money_signers_and_nodes_come_and_go(chain: GethCliqueChain) -> None:
    block = await chain.fund(SOMEBODY, 7)
    async with Client(chain.http_url) as client, Client(str(chain.admin_url)) as admin:
        balance = await client.call("eth_getBalance", "0x" + SOMEBODY.hex(), hex(block.number))
        assert balance == "0x7"
        added = bytes.fromhex((await admin.call("postroad_addSigner"))[2:])
        assert added in chain.signers
        first = chain.signers[0]
        with pytest.raises(SpecError, match="which is not in the set"):
            await chain.remove_signer(SOMEBODY)
        gone = next(signer for signer in chain.signers if signer not in {first, added})
        await admin.call("postroad_removeSigner", "0x" + gone.hex())
        assert gone not in chain.signers
        await admin.call("postroad_stopSigner", "0x" + added.hex())
        assert count_nodes(chain) == 3
        await chain.wait_for(await chain.height() + 3)
        await admin.call("postroad_startSigner", "0x" + added.hex())
        assert count_nodes(chain) == 4
        await chain.wait_for(await chain.height() + 3)


async def test_the_death_of_a_node_is_noticed(chain: GethCliqueChain) -> None:
    ended = asyncio.create_task(chain.wait_ended())
    os.kill(chain.pids[1], signal.SIGKILL)
    with pytest.raises(ExecutionError, match="geth ended with code -9"):
        await asyncio.wait_for(ended, 5)


def test_in_the_background_and_away_again(tmp_path: Path) -> None:
    folder = tmp_path / "devnet"
    state = background.up("court=clique:1:geth@1,port=bft:1@1", folder)
    try:
        court = state.chain("court")
        assert len(court.processes) == 1
        assert all(process.is_running() for process in court.processes)
        assert court.details.consensus == {"kind": "clique", "epoch": 30_000}
    finally:
        background.down(folder)
    assert not any(start_mark(process.pid) for process in court.processes)
