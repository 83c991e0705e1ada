# SPDX-License-Identifier: MIT
"""EvmChain: blocks, proofs, the gateway, transactions, and the failover between providers."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from light_clients.client import Height
from light_clients.errors import HeaderRejected
from relayer.chains.base import Address, Call, Chain, TxHash
from relayer.chains.evm import abi
from relayer.errors import (
    CallRevertedDrop,
    ChainUnavailable,
    ConfigError,
    FeeLimitReached,
    InsufficientFunds,
    NonceConflict,
    NotFoundYet,
    RpcAnswerInvalid,
    Underpriced,
    WrongChain,
)
from relayer.protocol.message import LaneId
from tests.unit.chains.evm.chain_bench import (
    GENESIS,
    GWEI,
    KEYS,
    ChainBench,
    Node,
    block,
    refuse,
)
from tests.unit.chains.evm.gateway_logs import (
    GATEWAY,
    LANE,
)

pytestmark = pytest.mark.network


async def test_it_is_a_chain(bench: ChainBench) -> None:
    chain: Chain = await bench.chain(Node())
    assert chain.senders == tuple(key.address for key in KEYS)


async def test_a_head_is_read_without_the_blocks_bodies(bench: ChainBench) -> None:
    chain = await bench.chain(Node())
    head = await chain.head()
    assert (head.number, head.timestamp) == (9, 1_700_000_009)
    assert "transactions" not in await chain.block(Height(9))


async def test_another_block_than_asked_for_is_the_providers_fault(bench: ChainBench) -> None:
    chain = await bench.chain(
        Node(), Node(eth_getBlockByNumber=lambda params: block(int(params[0], 16), hash="0x" + GENESIS.hex()))
    )
    found = await chain.blocks([Height(5), Height(6)])
    assert [block["number"] for block in found] == ["0x5", "0x6"]
    assert [kind for _, kind in bench.errors] == ["invalid"]


async def test_a_block_that_nobody_has_is_not_found_yet(bench: ChainBench) -> None:
    chain = await bench.chain(Node(eth_getBlockByNumber=None))
    with pytest.raises(NotFoundYet):
        await chain.block(Height(5))


async def test_what_a_check_rejects_is_asked_of_the_next_provider(bench: ChainBench) -> None:
    """INV-5."""
    chain = await bench.chain(
        Node(), Node(eth_getBlockByNumber=lambda _: block(9, extraData="0xfeed", hash="0x" + GENESIS.hex()))
    )

    def check(found: Any) -> str:
        if "extraData" not in found:
            raise HeaderRejected("no seals", found=None, expected="seals")
        return str(found["extraData"])

    assert await chain.checked_block(Height(9), check) == "0xfeed"
    everyone = await chain.blocks_of_everyone(Height(9))
    assert [("extraData" in found) for _, found in everyone] == [False, True]


async def test_the_gateway_is_asked_and_its_answers_read(bench: ChainBench) -> None:
    chain = await bench.chain(Node())
    lane = await chain.lane(LANE)
    assert (lane.next_sequence, lane.open, lane.paused) == (7, True, False)


async def test_a_gateway_that_is_not_there_is_told(bench: ChainBench) -> None:
    chain = await bench.chain(Node(eth_call="0x"))
    with pytest.raises(RpcAnswerInvalid, match="right contract"):
        await chain.lane(LaneId(LANE))
    with pytest.raises(ConfigError, match="no gateway"):
        await chain.check_gateway()


async def test_a_refusal_is_decoded(bench: ChainBench) -> None:
    data = "0x" + (abi.selector("MalformedBatch(uint256)") + abi.encode_word(5)).hex()
    node = Node(eth_call=refuse(3, "execution reverted", data))
    chain = await bench.chain(node)
    with pytest.raises(CallRevertedDrop, match="MalformedBatch"):
        await chain.simulate_deliver(chain.senders[0], b"batch", b"proof", 1_000_000)
    call, at = node.asked("eth_call")[0]
    assert (call["from"], call["gas"], at) == ("0x" + chain.senders[0].hex(), hex(1_000_000), "latest")
    assert call["data"] == "0x" + abi.encode_deliver(b"batch", b"proof").hex()


async def test_a_transaction_is_priced_numbered_and_broadcast_to_everyone(bench: ChainBench) -> None:
    nodes = [Node(eth_sendRawTransaction="0x" + "11" * 32), Node(eth_sendRawTransaction="0x" + "11" * 32)]
    chain = await bench.chain(*nodes)
    signed = await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))
    assert (signed.nonce, signed.max_fee_wei, signed.priority_fee_wei) == (0, 3 * GWEI, GWEI)
    await chain.broadcast(signed.raw)
    assert [node.asked("eth_sendRawTransaction") for node in nodes] == [[["0x" + signed.raw.hex()]]] * 2
    again = await chain.replace(signed, Call(Address(GATEWAY), b"data"))
    assert (again.nonce, again.gas) == (0, 100_000)
    assert again.max_fee_wei > signed.max_fee_wei


async def test_gas_is_estimated_with_room_where_none_is_given(bench: ChainBench) -> None:
    chain = await bench.chain(Node(eth_estimateGas=hex(100_000)))
    assert (await chain.prepare(Call(Address(GATEWAY), b"data"))).gas == 125_000


async def test_a_base_fee_above_the_limit_waits(bench: ChainBench) -> None:
    dear = Node(
        eth_getBlockByNumber=lambda params: (
            {"hash": "0x" + GENESIS.hex()} if params[0] == "0x0" else block(9, 101 * GWEI)
        )
    )
    chain = await bench.chain(dear)
    with pytest.raises(FeeLimitReached):
        await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))


async def test_a_chain_without_base_fees_is_not_served(bench: ChainBench) -> None:
    old = Node(
        eth_getBlockByNumber=lambda params: (
            {"hash": "0x" + GENESIS.hex()} if params[0] == "0x0" else block(9, baseFeePerGas=None)
        )
    )
    chain = await bench.chain(old)
    with pytest.raises(ChainUnavailable, match="Cancun"):
        await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("replacement transaction underpriced", Underpriced),
        ("insufficient funds for gas * price + value", InsufficientFunds),
        ("nonce too low", NonceConflict),
        ("the node is syncing", ChainUnavailable),
    ],
)
async def test_refused_broadcasts_are_told_apart(
    bench: ChainBench, message: str, error: type[Exception]
) -> None:
    node = Node(eth_sendRawTransaction=refuse(-32000, message), eth_getTransactionReceipt=None)
    chain = await bench.chain(node)
    signed = await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))
    with pytest.raises(error):
        await chain.broadcast(signed.raw)


@pytest.mark.parametrize("words", ["already known", "the transaction is already in the TxPool"])
async def test_a_transaction_that_a_node_has_is_a_success(bench: ChainBench, words: str) -> None:
    refusing = Node(eth_sendRawTransaction=refuse(-32000, words))
    down = Node(eth_sendRawTransaction=lambda _: web.Response(status=503))
    chain = await bench.chain(refusing, down)
    signed = await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))
    await chain.broadcast(signed.raw)


def receipt(tx_hash: bytes, **changes: Any) -> dict[str, Any]:
    return {
        "transactionHash": "0x" + tx_hash.hex(),
        "blockNumber": "0x9",
        "blockHash": "0x" + "b0" * 32,
        "gasUsed": hex(50_000),
        "effectiveGasPrice": hex(2 * GWEI),
        "status": "0x1",
        "logs": [],
        **changes,
    }


async def test_a_nonce_used_by_the_very_transaction_is_a_success(bench: ChainBench) -> None:
    """INV-6: a restart broadcasts again what was included meanwhile."""
    node = Node(
        eth_sendRawTransaction=refuse(-32000, "nonce too low"),
        eth_getTransactionReceipt=lambda params: receipt(bytes.fromhex(params[0][2:])),
    )
    chain = await bench.chain(node)
    signed = await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))
    await chain.broadcast(signed.raw)
    assert chain.in_flight(signed.sender) == 0


async def test_an_account_that_cannot_pay_gives_way_to_another(bench: ChainBench) -> None:
    node = Node(eth_sendRawTransaction=refuse(-32000, "insufficient funds"))
    chain = await bench.chain(node)
    first = await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))
    with pytest.raises(InsufficientFunds):
        await chain.broadcast(first.raw)
    chain.abandon(first)
    second = await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))
    assert second.sender != first.sender


async def test_no_receipt_is_no_error(bench: ChainBench) -> None:
    assert await (await bench.chain(Node(eth_getTransactionReceipt=None))).receipt(TxHash(bytes(32))) is None


async def test_a_provider_of_another_chain_is_a_configuration_error(bench: ChainBench) -> None:
    chain = await bench.chain(Node(eth_chainId="0x1"))
    with pytest.raises(WrongChain):
        await chain.head()
