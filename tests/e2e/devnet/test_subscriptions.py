# SPDX-License-Identifier: MIT
"""What subscribers hear is what pollers see."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.devnet.rpc import subscriptions
from tests.support.devnet import EMITTER, Client, Refused, Wallet, open_socket, word

NOT_IN_HEADERS: Final = {"size", "totalDifficulty", "transactions", "uncles", "withdrawals"}


async def test_new_heads_equal_polled_blocks(chain: LocalBftChain, client: Client) -> None:
    async with open_socket(chain) as socket:
        subscription = await socket.call("eth_subscribe", "newHeads")
        await chain.mine(10)
        heard = [await socket.event(subscription) for _ in range(10)]
    polled = await client.batch(*[("eth_getBlockByNumber", hex(number), False) for number in range(2, 12)])
    assert heard == [
        {name: value for name, value in block.items() if name not in NOT_IN_HEADERS} for block in polled
    ]


async def test_logs_equal_polled_logs_for_each_subscriber(chain: LocalBftChain, client: Client) -> None:
    wallet = Wallet(client, chain)
    emitter = await wallet.deploy(EMITTER)
    other = await wallet.deploy(EMITTER)
    criteria: list[dict[str, object]] = [
        {"address": "0x" + emitter.hex()},
        {"topics": [None, "0x" + word(1).hex()]},
        {},
    ]
    async with open_socket(chain) as socket, open_socket(chain) as second:
        listening = [
            (socket, wanted, await socket.call("eth_subscribe", "logs", wanted)) for wanted in criteria
        ]
        listening.append((second, criteria[0], await second.call("eth_subscribe", "logs", criteria[0])))
        first_block = hex(chain.head.number + 1)
        for count in (2, 0, 3):
            await wallet.send(emitter, word(count))
            await wallet.send(other, word(count))
            await chain.mine()
        for listener, wanted, subscription in listening:
            polled = await client.call("eth_getLogs", {**wanted, "fromBlock": first_block})
            assert len(polled) in {2, 4, 5, 10}
            assert [await listener.event(subscription) for _ in polled] == polled


async def test_a_head_is_there_when_it_is_heard_of(chain: LocalBftChain, client: Client) -> None:
    """Whoever hears of a block finds it, its receipts and its state at once."""
    wallet = Wallet(client, chain)
    async with open_socket(chain) as socket:
        subscription = await socket.call("eth_subscribe", "newHeads")
        for _ in range(5):
            tx_hash = await wallet.send(None, EMITTER)
            mining = asyncio.create_task(chain.mine())
            head = await socket.event(subscription)
            assert (await socket.call("eth_getBlockByHash", head["hash"], False))["number"] == head["number"]
            receipt = await socket.call("eth_getTransactionReceipt", tx_hash)
            assert receipt["blockHash"] == head["hash"]
            await mining


async def test_unsubscribed_hears_no_more(qbft: LocalBftChain) -> None:
    async with open_socket(qbft) as socket:
        stopped = await socket.call("eth_subscribe", "newHeads")
        kept = await socket.call("eth_subscribe", "newHeads")
        assert await socket.call("eth_unsubscribe", stopped) is True
        assert await socket.call("eth_unsubscribe", stopped) is False
        await qbft.mine()
        await socket.event(kept)
        assert stopped not in socket.seen[-1]
        with pytest.raises(Refused, match='expected "newHeads" or "logs"'):
            await socket.call("eth_subscribe", "syncing")


async def test_a_subscriber_that_does_not_read_is_cut_off(
    qbft: LocalBftChain, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its backlog is bounded, and others hear on."""
    monkeypatch.setattr(subscriptions, "MAX_BACKLOG_BYTES", 3_000)
    wallet = Wallet(client, qbft)
    emitter = await wallet.deploy(EMITTER)
    async with open_socket(qbft) as greedy, open_socket(qbft) as modest:
        await greedy.call("eth_subscribe", "logs", {})
        heads = await modest.call("eth_subscribe", "newHeads")
        await wallet.send(emitter, word(200))
        await qbft.mine()
        assert (await modest.event(heads))["number"] == hex(qbft.head.number)
        assert await greedy.closed()
