# SPDX-License-Identifier: MIT
"""What a sender asks of an EvmChain: signatures, prices, and what all providers say to the same bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from light_clients.hashing import keccak256
from relayer.chains.base import (
    Address,
    Call,
    GasMarket,
    GasPrice,
    NodeAnswer,
    Refusal,
    SignedTransaction,
    TxHash,
)
from relayer.chains.evm.chain import EvmChain
from relayer.chains.evm.signed import read_signed
from relayer.chains.rpc_provider import RpcLimits
from relayer.errors import CallReverted, ChainUnavailable, KeyUnavailable
from tests.unit.chains.evm.chain_bench import GENESIS, GWEI, KEYS, ChainBench, Node, block, refuse, until
from tests.unit.chains.evm.gateway_logs import GATEWAY
from tests.unit.chains.evm.test_rpc_types import receipt

pytestmark = pytest.mark.network

CALL = Call(Address(GATEWAY), b"data")
PRICE = GasPrice(3 * GWEI, GWEI)
TX_HASH = TxHash(b"\x70" * 32)


def took(params: list[Any]) -> str:
    return "0x" + keccak256(bytes.fromhex(params[0][2:])).hex()


def down(_: list[Any]) -> web.Response:
    return web.Response(status=503)


def sign(chain: EvmChain, price: GasPrice = PRICE, nonce: int = 7) -> SignedTransaction:
    return chain.sign(chain.senders[0], nonce, CALL, 100_000, price)


def pricing(base_fee: int | None, **answers: Any) -> Node:
    fee = None if base_fee is None else hex(base_fee)
    return Node(
        eth_getBlockByNumber=lambda params: (
            {"hash": "0x" + GENESIS.hex()} if params[0] == "0x0" else block(9, baseFeePerGas=fee)
        ),
        **{"eth_gasPrice": refuse(-32601, "Method not found"), **answers},
    )


# --- signing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("price", [PRICE, GasPrice(GWEI, GWEI, is_legacy=True)])
async def test_a_signature_asks_nothing_and_takes_no_nonce(bench: ChainBench, price: GasPrice) -> None:
    node = Node()
    chain = await bench.chain(node)
    signed = sign(chain, price)
    assert read_signed(signed.raw) == signed
    assert (signed.sender, signed.nonce) == (chain.senders[0], 7)
    assert sign(chain, price) == signed
    assert (signed.raw[0] == 2) is not price.is_legacy
    assert node.calls == []


async def test_no_other_accounts_key_signs(bench: ChainBench) -> None:
    chain = await bench.chain(Node())
    with pytest.raises(KeyUnavailable, match="0x2222"):
        chain.sign(Address(b"\x22" * 20), 0, CALL, 100_000, PRICE)


async def test_gas_is_estimated_for_the_account_that_sends_with_room(bench: ChainBench) -> None:
    node = Node(eth_estimateGas=hex(100_000))
    chain = await bench.chain(node)
    assert await chain.estimate(CALL, chain.senders[1]) == 125_000
    ((asked,),) = node.asked("eth_estimateGas")
    assert asked["from"] == "0x" + KEYS[1].address.hex()
    node.answers["eth_estimateGas"] = refuse(3, "execution reverted", "0x")
    with pytest.raises(CallReverted):
        await chain.estimate(CALL, chain.senders[1])


# --- prices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (pricing(7, eth_maxPriorityFeePerGas=hex(GWEI)), GasMarket(7, GWEI)),
        (pricing(0, eth_maxPriorityFeePerGas="0x0"), GasMarket(0, 0)),
        (pricing(7, eth_maxPriorityFeePerGas=refuse(-32601, "the method does not exist")), GasMarket(7, 0)),
        # Besu without transactions for a while: the base fee has fallen, and its least price has not.
        (pricing(7, eth_maxPriorityFeePerGas="0x0", eth_gasPrice="0x3e8"), GasMarket(7, 1000)),
        (pricing(7, eth_maxPriorityFeePerGas="0x1f4", eth_gasPrice="0x3e8"), GasMarket(7, 1000)),
        # The whole price is of another block than the base fee: an eighth lies between two.
        (pricing(80, eth_maxPriorityFeePerGas="0x0", eth_gasPrice=hex(90)), GasMarket(80, 0)),
        (pricing(80, eth_maxPriorityFeePerGas="0x8", eth_gasPrice=hex(99)), GasMarket(80, 8)),
        (pricing(80, eth_maxPriorityFeePerGas="0x8", eth_gasPrice=hex(100)), GasMarket(80, 100)),
        # GoQuorum has neither a base fee nor the other method.
        (pricing(None, eth_gasPrice=hex(GWEI)), GasMarket(None, GWEI)),
        (pricing(None, eth_gasPrice="0x0"), GasMarket(None, 0)),
        (pricing(None, eth_gasPrice=refuse(-32601, "Method not found")), GasMarket(None, 0)),
    ],
)
async def test_prices_are_of_the_kind_that_the_chain_has(
    bench: ChainBench, node: Node, expected: GasMarket
) -> None:
    chain = await bench.chain(node)
    assert await chain.market() == expected
    asked = len(node.calls)
    assert await chain.market() == expected
    assert len(node.calls) == asked
    assert bench.errors == []


async def test_a_head_that_was_read_tells_the_price(bench: ChainBench) -> None:
    node = pricing(9, eth_maxPriorityFeePerGas="0x1")
    chain = await bench.chain(node)
    await chain.head()
    asked = len(node.asked("eth_getBlockByNumber"))
    assert await chain.market() == GasMarket(9, 1)
    assert len(node.asked("eth_getBlockByNumber")) == asked


async def test_nobody_to_ask_is_no_price(bench: ChainBench) -> None:
    chain = await bench.chain(pricing(7, eth_maxPriorityFeePerGas=down))
    with pytest.raises(ChainUnavailable):
        await chain.market()
    # A limit on requests says nothing of prices.
    chain = await bench.chain(pricing(7, eth_maxPriorityFeePerGas=refuse(-32005, "limit exceeded")))
    with pytest.raises(ChainUnavailable):
        await chain.market()


# --- offering -----------------------------------------------------------------------------------------------


async def test_the_bytes_go_to_everyone_and_the_first_who_takes_them_is_enough(bench: ChainBench) -> None:
    quick, slow = Node(eth_sendRawTransaction=took), Node(eth_sendRawTransaction=took)
    chain = await bench.chain(slow, quick)
    bench.servers[0].delay_s = 0.5
    started = time.monotonic()
    signed = sign(chain)
    offered = await chain.offer(signed.raw)
    assert time.monotonic() - started < 0.4
    assert (offered.is_taken, offered.refusal, len(offered.answers), offered.unreachable) == (
        True,
        None,
        1,
        (),
    )
    await until(lambda: slow.asked("eth_sendRawTransaction") == [["0x" + signed.raw.hex()]])


async def test_closing_ends_what_is_still_asked(bench: ChainBench) -> None:
    chain = await bench.chain(Node(eth_sendRawTransaction=took), Node(eth_sendRawTransaction=took))
    bench.servers[0].delay_s = 30.0
    before = len(asyncio.all_tasks())
    assert (await chain.offer(sign(chain).raw)).is_taken
    assert len(asyncio.all_tasks()) > before
    started = time.monotonic()
    await chain.close()
    assert time.monotonic() - started < 5
    mine = [task for task in asyncio.all_tasks() if "race" in repr(task)]
    assert mine == []


async def test_refusals_are_told_by_meaning_with_the_nodes_words(bench: ChainBench) -> None:
    refusals = {
        "insufficient funds for gas * price + value": Refusal.UNFUNDED,
        "flux capacitor misaligned": Refusal.UNKNOWN,
    }
    nodes = [Node(eth_sendRawTransaction=refuse(-32000, words)) for words in refusals]
    chain = await bench.chain(*reversed(nodes))
    offered = await chain.offer(sign(chain).raw)
    assert not offered.is_taken
    assert {answer.detail: answer.refusal for answer in offered.answers} == refusals
    assert offered.refusal is not None
    assert offered.refusal.refusal is Refusal.UNFUNDED
    assert bench.errors == []


@pytest.mark.parametrize("words", ["already known", "INTERNAL_ERROR: existing tx with same hash"])
async def test_who_has_the_bytes_already_took_them(bench: ChainBench, words: str) -> None:
    chain = await bench.chain(
        Node(eth_sendRawTransaction=refuse(-32000, words)),
        Node(eth_sendRawTransaction=refuse(-32000, "txpool is full")),
    )
    offered = await chain.offer(sign(chain).raw)
    assert offered.is_taken
    assert NodeAnswer(offered.answers[0].provider, None) in offered.answers


@pytest.mark.parametrize(
    "answer",
    [
        down,
        refuse(-32601, "the method eth_sendRawTransaction does not exist"),
        lambda _: "0x" + "11" * 32,
        lambda _: None,
        lambda _: 7,
    ],
)
async def test_who_says_nothing_of_the_bytes_is_no_answer(
    bench: ChainBench, answer: Callable[[list[Any]], Any]
) -> None:
    chain = await bench.chain(Node(eth_sendRawTransaction=answer))
    offered = await chain.offer(sign(chain).raw)
    assert (offered.answers, offered.is_taken, offered.refusal) == ((), False, None)
    (text,) = offered.unreachable
    assert text.startswith("127.0.0.1:")


async def test_one_that_hangs_does_not_hide_what_another_says_for_ever(bench: ChainBench) -> None:
    limits = RpcLimits(timeout_s=0.2)
    chain = await bench.chain(
        Node(eth_sendRawTransaction=took),
        Node(eth_sendRawTransaction=refuse(-32000, "transaction underpriced")),
        limits=limits,
    )
    bench.servers[0].delay_s = 30.0
    offered = await chain.offer(sign(chain).raw)
    assert [answer.refusal for answer in offered.answers] == [Refusal.UNDERPRICED]
    assert "gave no answer" in offered.unreachable[0]


# --- looking ------------------------------------------------------------------------------------------------


async def test_one_providers_null_is_not_believed_where_all_are_asked(bench: ChainBench) -> None:
    chain = await bench.chain(
        Node(eth_getTransactionReceipt=None), Node(eth_getTransactionReceipt=receipt(TX_HASH))
    )
    assert await chain.receipt(TX_HASH) is None
    found = await chain.receipt(TX_HASH, ask_all=True)
    assert found is not None
    assert found.block_number == 9


async def test_a_receipt_of_another_transaction_is_none(bench: ChainBench) -> None:
    other = Node(eth_getTransactionReceipt=receipt(b"\x71" * 32))
    chain = await bench.chain(other, Node(eth_getTransactionReceipt=None))
    assert await chain.receipt(TX_HASH, ask_all=True) is None
    assert [kind for _, kind in bench.errors] == ["invalid"]
    chain = await bench.chain(other)
    with pytest.raises(ChainUnavailable, match="no provider says"):
        await chain.receipt(TX_HASH, ask_all=True)


async def test_counts_are_as_every_provider_has_them(bench: ChainBench) -> None:
    nodes = [
        Node(eth_getTransactionCount=lambda params: "0x7" if params[1] == "pending" else "0x5"),
        Node(eth_getTransactionCount=down),
        Node(eth_getTransactionCount="0x3ed"),
    ]
    chain = await bench.chain(*nodes)
    sender = chain.senders[0]
    assert await chain.count_transactions(sender) == (5, 1005)
    assert await chain.count_transactions(sender, pending=True) == (7, 1005)
    assert await (await bench.chain(nodes[1])).count_transactions(sender) == ()
