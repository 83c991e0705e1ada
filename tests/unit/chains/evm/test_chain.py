# SPDX-License-Identifier: MIT
"""EvmChain: blocks, proofs, the gateway, transactions, and the failover between providers."""

from __future__ import annotations

from typing import Any

import pytest

from light_clients.client import Height
from light_clients.errors import HeaderRejected
from relayer.chains.base import Chain, TxHash
from relayer.chains.evm import abi
from relayer.errors import (
    CallRevertedDrop,
    ConfigError,
    NotFoundYet,
    RpcAnswerInvalid,
    WrongChain,
)
from relayer.protocol.message import LaneId
from tests.unit.chains.evm.chain_bench import (
    GENESIS,
    KEYS,
    ChainBench,
    Node,
    block,
    refuse,
)
from tests.unit.chains.evm.gateway_logs import (
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


async def test_no_receipt_is_no_error(bench: ChainBench) -> None:
    assert await (await bench.chain(Node(eth_getTransactionReceipt=None))).receipt(TxHash(bytes(32))) is None


async def test_a_provider_of_another_chain_is_a_configuration_error(bench: ChainBench) -> None:
    chain = await bench.chain(Node(eth_chainId="0x1"))
    with pytest.raises(WrongChain):
        await chain.head()
