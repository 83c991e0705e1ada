# SPDX-License-Identifier: MIT
"""New heads by websocket, and by polling where a websocket fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from light_clients.client import Height, Timestamp
from relayer.chains.base import Head
from relayer.chains.evm.heads import HeadFeed
from tests.unit.chains.evm.chain_bench import (
    GENESIS,
    ChainBench,
    Node,
    block,
    refuse,
    until,
)

pytestmark = pytest.mark.network


def push(number: int, subscription: str = "0xsub") -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "method": "eth_subscription",
        "params": {"subscription": subscription, "result": block(number)},
    }


async def test_heads_come_from_the_websocket(bench: ChainBench) -> None:
    chain = await bench.chain(Node(eth_subscribe="0xsub"), websockets=True, poll_interval_s=30)
    heads = chain.heads()
    assert (await anext(heads)).number == 9
    async with asyncio.timeout(5):
        await until(lambda: bool(bench.servers[0].sockets))
        waiting = asyncio.ensure_future(anext(heads))
        await asyncio.sleep(0.05)
        await bench.servers[0].push(push(10))
        assert (await waiting).number == 10
    await heads.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "frame",
    [
        "no JSON",
        "null",
        '{"method":"eth_subscription"}',
        {"method": "eth_subscription", "params": {"result": {}}},
    ],
)
async def test_a_websocket_that_talks_nonsense_is_helped_out_by_polling(
    bench: ChainBench, frame: Any
) -> None:
    newest = [9]
    node = Node(
        eth_subscribe="0xsub",
        eth_getBlockByNumber=lambda params: (
            {"hash": "0x" + GENESIS.hex()} if params[0] == "0x0" else block(newest[0])
        ),
    )
    chain = await bench.chain(node, websockets=True)
    heads = chain.heads()
    async with asyncio.timeout(5):
        assert (await anext(heads)).number == 9
        await until(lambda: bool(bench.servers[0].sockets))
        await bench.servers[0].push(frame)
        await bench.servers[0].push(push(77, "0xother"))
        newest[0] = 11
        assert (await anext(heads)).number == 11
    await heads.aclose()  # type: ignore[attr-defined]


async def test_a_refused_subscription_is_helped_out_by_polling(bench: ChainBench) -> None:
    chain = await bench.chain(Node(eth_subscribe=refuse(-32601, "no subscriptions")), websockets=True)
    heads = chain.heads()
    async with asyncio.timeout(5):
        assert (await anext(heads)).number == 9
        waiting = asyncio.ensure_future(anext(heads))
        await until(lambda: "websocket" in {kind for _, kind in bench.errors})
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_polling_goes_on_through_an_outage(bench: ChainBench) -> None:
    newest = [9]

    def get_block(params: list[Any]) -> Any:
        if params[0] == "0x0":
            return {"hash": "0x" + GENESIS.hex()}
        return web.Response(status=503) if newest[0] == 0 else block(newest[0])

    chain = await bench.chain(Node(eth_getBlockByNumber=get_block))
    heads = chain.heads()
    async with asyncio.timeout(10):
        assert (await anext(heads)).number == 9
        newest[0] = 0
        waiting = asyncio.ensure_future(anext(heads))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        newest[0] = 12
        assert (await waiting).number == 12
    await heads.aclose()  # type: ignore[attr-defined]


def make_head(number: int) -> Head:
    return Head(Height(number), bytes([number]) * 32, bytes([number - 1]) * 32, Timestamp(number))


async def test_a_cancellation_that_comes_along_with_a_head_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A relayer that is stopped just as a block comes ends all the same."""
    second = asyncio.Event()

    async def subscribe(_: object) -> AsyncIterator[Head]:
        await second.wait()
        yield make_head(2)
        await asyncio.Event().wait()

    async def poll() -> Head:
        return make_head(1)

    monkeypatch.setattr("relayer.chains.evm.heads.subscribe_heads", subscribe)
    provider = SimpleNamespace(label="provider", urls=SimpleNamespace(websocket="ws://provider"))
    feed = HeadFeed(cast("Any", [provider]), poll, interval_s=60)
    first = asyncio.Event()

    async def follow() -> None:
        async for _ in feed.heads():
            first.set()

    following = asyncio.create_task(follow())
    await first.wait()
    # Let it wait for the next head, and the listener for its event.
    for _ in range(5):
        await asyncio.sleep(0)
    # One step later the head is in the queue, and is not taken yet.
    second.set()
    await asyncio.sleep(0)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(following, 5)
