# SPDX-License-Identifier: MIT
"""The provider that `make faults` puts before a chain does the wrong that it is told to, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.support.faulty_provider import FAULTS, FaultyProvider
from tests.support.rpc import RefusalError, Server, serve

RAW = "0x" + "02" * 40


def honest(method: str, params: list[Any]) -> Any:
    if method == "eth_sendRawTransaction" and params == [RAW]:
        raise RefusalError(-32000, "Insufficient funds for gas * price + value")
    answers = {
        "eth_blockNumber": "0x40",
        "eth_getTransactionCount": "0x7",
        "eth_sendRawTransaction": "0x" + "33" * 32,
        "eth_subscribe": "0x1",
    }
    return (
        {"number": params[0], "baseFeePerGas": "0x9"} if method == "eth_getBlockByNumber" else answers[method]
    )


@asynccontextmanager
async def provider_before_a_server() -> AsyncIterator[tuple[Server, FaultyProvider, aiohttp.ClientSession]]:
    async with serve(honest) as server, aiohttp.ClientSession() as client:
        provider = FaultyProvider(server.http_url, server.ws_url)
        await provider.start()
        try:
            yield server, provider, client
        finally:
            await provider.stop()


async def ask(client: aiohttp.ClientSession, provider: FaultyProvider, method: str, *params: Any) -> Any:
    call = {"jsonrpc": "2.0", "id": 9, "method": method, "params": params}
    async with client.post(provider.http_url, json=call) as answer:
        body = await answer.json(content_type=None)
    assert body["id"] == 9
    return body.get("result", body.get("error"))


async def test_a_provider_without_faults_passes_on_single_calls_and_batches() -> None:
    async with provider_before_a_server() as (_, provider, client):
        assert await ask(client, provider, "eth_blockNumber") == "0x40"
        batch: list[dict[str, Any]] = [
            {"jsonrpc": "2.0", "id": i, "method": "eth_blockNumber", "params": []} for i in (1, 2)
        ]
        async with client.post(provider.http_url, json=batch) as answer:
            assert [one["id"] for one in await answer.json()] == [1, 2]
        assert provider.acted == 0


async def test_a_fault_acts_until_it_is_healed_or_has_acted_its_times() -> None:
    async with provider_before_a_server() as (_, provider, client):
        async with provider.suffering("counts ahead once"):
            counts = [await ask(client, provider, "eth_getTransactionCount", "0x0", "latest") for _ in "ab"]
        assert counts == [hex(1007), "0x7"]
        async with provider.suffering("counts ahead"):
            counts = [await ask(client, provider, "eth_getTransactionCount", "0x0", "latest") for _ in "ab"]
        assert counts == [hex(1007), hex(1007)]
        assert await ask(client, provider, "eth_getTransactionCount", "0x0", "latest") == "0x7"
        assert provider.acted == 3


async def test_refusals_are_reworded_and_only_they() -> None:
    async with provider_before_a_server() as (_, provider, client):
        async with provider.suffering("rewords: OldNonce"):
            assert (await ask(client, provider, "eth_sendRawTransaction", RAW))["code"] == -32010
            assert await ask(client, provider, "eth_sendRawTransaction", "0x03") == "0x" + "33" * 32
        async with provider.suffering("refuses: OldNonce"):
            assert (await ask(client, provider, "eth_sendRawTransaction", "0x03"))["code"] == -32010
        async with provider.suffering("takes unpayable"):
            assert (await ask(client, provider, "eth_sendRawTransaction", RAW)).startswith("0x")
            assert provider.held == [RAW]


async def test_a_stuck_provider_knows_no_newer_block() -> None:
    async with provider_before_a_server() as (server, provider, client):
        async with provider.suffering("stuck"):
            assert await ask(client, provider, "eth_blockNumber") == "0x40"
            server.handler = lambda method, params: (
                "0x50" if method == "eth_blockNumber" else honest(method, params)
            )
            assert await ask(client, provider, "eth_blockNumber") == "0x40"
            assert await ask(client, provider, "eth_getBlockByNumber", "0x41", False) is None
            assert (await ask(client, provider, "eth_getBlockByNumber", "latest", False))["number"] == "0x40"
        assert await ask(client, provider, "eth_blockNumber") == "0x50"


async def test_a_provider_that_is_down_comes_back_at_its_port() -> None:
    async with provider_before_a_server() as (_, provider, client):
        url = provider.http_url
        async with provider.suffering("down"):
            with pytest.raises(aiohttp.ClientConnectionError):
                await ask(client, provider, "eth_blockNumber")
        assert await ask(client, provider, "eth_blockNumber") == "0x40"
        assert provider.http_url == url


async def test_a_socket_tells_the_heads_that_the_fault_makes_of_them() -> None:
    async with (
        provider_before_a_server() as (server, provider, client),
        client.ws_connect(provider.ws_url) as socket,
    ):
        await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
        assert (await socket.receive_json())["result"] == "0x1"

        async def told(number: int, *faults: str) -> list[str]:
            async with provider.suffering(*faults):
                head = {"number": hex(number), "hash": "0x00"}
                params = {"subscription": "0x1", "result": head}
                await server.push({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})
                numbers = []
                try:
                    async with asyncio.timeout(0.2):
                        while True:
                            frame = json.loads((await socket.receive()).data)
                            numbers.append(frame["params"]["result"]["number"])
                except TimeoutError:
                    return numbers

        assert await told(1) == ["0x1"]
        assert await told(2, "socket silent") == []
        assert await told(3, "socket repeats") == ["0x1"]
        assert await told(4, "socket far ahead") == [hex(1 << 40)]
        assert await told(5) == ["0x5"]


async def test_every_fault_acts_somewhere() -> None:
    idle = [
        name
        for name, fault in FAULTS.items()
        if not (fault.whole or fault.reply or fault.frame or fault.refuses_sockets or fault.is_down)
    ]
    assert not idle
