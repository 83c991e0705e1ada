# SPDX-License-Identifier: MIT
"""The admin RPC does what the Python API does, and only for those who know its secret path."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.devnet.chain.chain_options import ChainOptions
from tests.support.devnet import ON_DEMAND, Client, Refused


@pytest.fixture
async def chain() -> AsyncIterator[LocalBftChain]:
    async with LocalBftChain("alpha", ChainOptions(block_time_s=None, admin=True)) as started:
        yield started


@pytest.fixture
async def admin(chain: LocalBftChain) -> AsyncIterator[Client]:
    assert chain.admin_url is not None
    async with Client(chain.admin_url) as opened:
        yield opened


async def test_off_by_default() -> None:
    async with LocalBftChain("alpha", ON_DEMAND) as chain:
        assert chain.admin_url is None
        assert not {method for method in chain.methods if method.startswith("postroad_")}


async def test_faults_come_and_go(chain: LocalBftChain, admin: Client, client: Client) -> None:
    fault = {"kind": "rpc-errors", "code": -32005, "message": "no", "methods": ["eth_gasPrice"]}
    number = await admin.call("postroad_fault", fault)
    with pytest.raises(Refused, match="no"):
        await client.call("eth_gasPrice")
    active = await admin.call("postroad_faults")
    assert active == {str(number): {"times": None, "http_status": None, **fault}}
    await admin.call("postroad_stopFault", number)
    await client.call("eth_gasPrice")
    await admin.call("postroad_fault", {"kind": "missing-seals", "keep": 0})
    await admin.call("postroad_clearFaults")
    assert await admin.call("postroad_faults") == {}


async def test_blocks_validators_and_money(chain: LocalBftChain, admin: Client, client: Client) -> None:
    assert await admin.call("postroad_mine", 2) == "0x3"
    added = await admin.call("postroad_addValidator", 4)
    assert added in await _validators(admin, client)
    await admin.call("postroad_removeValidator", added, 5)
    assert added not in await _validators(admin, client)
    replaced = await admin.call("postroad_replaceValidators", 7)
    assert await _validators(admin, client) == sorted(replaced)
    await admin.call("postroad_fund", "0x" + "11" * 20, "0x5")
    assert await client.call("eth_getBalance", "0x" + "11" * 20, "latest") == "0x5"
    twin = await admin.call("postroad_equivocate", 2)
    second = await client.call("eth_getBlockByHash", twin, False)
    assert second["number"] == "0x2"
    assert second["hash"] != (await client.call("eth_getBlockByNumber", "0x2", False))["hash"]
    assert await admin.call("postroad_dropTransactions") is None


async def _validators(admin: Client, client: Client) -> list[str]:
    await admin.call("postroad_mine")
    listed: list[str] = await client.call("qbft_getValidatorsByBlockNumber", "latest")
    return listed


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("postroad_nothing", [], "expected one of postroad_addValidator"),
        ("postroad_fault", [{"kind": "earthquake"}], "kind is one of drop-connections, equivocation"),
        ("postroad_fault", [{"kind": "missing-seals", "kept": 2}], "unknown field"),
        ("postroad_fault", [{"kind": "slow-answers", "delay_s": -1}], "> 0"),
        ("postroad_fault", [], "can't use"),
        ("postroad_removeValidator", ["0x12"], "expected 20 bytes"),
        ("postroad_removeValidator", ["0x" + "11" * 20], "is not in the set"),
        ("postroad_equivocate", [99], "block 99"),
        ("postroad_mine", ["many"], "can't use"),
    ],
)
async def test_what_is_refused_and_why(
    admin: Client, method: str, params: list[object], message: str
) -> None:
    with pytest.raises(Refused, match=message):
        await admin.call(method, *params)


async def test_the_path_is_the_secret(chain: LocalBftChain) -> None:
    assert chain.admin_url is not None
    origin = chain.admin_url.rsplit("/", 1)[0]
    body = {"jsonrpc": "2.0", "id": 1, "method": "postroad_faults", "params": []}
    async with aiohttp.ClientSession() as session:
        for url in (origin + "/", origin + "/admin", chain.admin_url + "x"):
            async with session.post(url, json=body) as response:
                assert response.status == 404
        async with session.get(chain.admin_url) as response:
            assert response.status == 404
        async with session.post(chain.admin_url, json=[body, body]) as response:
            assert [answer["result"] for answer in await response.json()] == [{}, {}]
