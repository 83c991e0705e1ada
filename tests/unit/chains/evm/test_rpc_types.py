# SPDX-License-Identifier: MIT
"""Proofs and receipts as nodes write them, read through an EvmChain."""

from __future__ import annotations

from typing import Any

import pytest

from light_clients.client import Height
from relayer.chains.base import Address, TxHash
from relayer.chains.evm import abi
from relayer.errors import (
    ChainUnavailable,
)
from tests.unit.chains.evm.chain_bench import (
    GWEI,
    ChainBench,
    Node,
)
from tests.unit.chains.evm.gateway_logs import (
    GATEWAY,
    LANE,
    to_log,
)

pytestmark = pytest.mark.network


def proof(keys: list[str]) -> dict[str, Any]:
    return {
        "accountProof": ["0xc0"],
        "storageProof": [{"key": key, "value": "0x1", "proof": ["0xc1", "0xc2"]} for key in keys],
    }


async def test_slots_are_found_under_whatever_key_nodes_write(bench: ChainBench) -> None:
    slots = [bytes(31) + b"\x05", b"\xff" * 32]
    node = Node(eth_getProof=proof(["0x" + "ff" * 32, "0x5"]))
    found = await (await bench.chain(node)).proof(Address(GATEWAY), slots, Height(9))
    assert found.account_nodes == (b"\xc0",)
    assert found.storage_nodes == dict.fromkeys(slots, (b"\xc1", b"\xc2"))
    assert node.asked("eth_getProof") == [
        ["0x" + GATEWAY.hex(), ["0x" + slot.hex() for slot in slots], "0x9"]
    ]


@pytest.mark.parametrize(
    "answer",
    [
        proof([]),
        proof(["0x6"]),
        {"accountProof": ["0xc0"] * 66, "storageProof": []},
        {"accountProof": ["0x" + "00" * 1025], "storageProof": []},
        {"accountProof": "0xc0", "storageProof": []},
        {},
        [],
    ],
)
async def test_proofs_of_another_shape_are_refused(bench: ChainBench, answer: Any) -> None:
    chain = await bench.chain(Node(eth_getProof=answer))
    with pytest.raises(ChainUnavailable):
        await chain.proof(Address(GATEWAY), [bytes(31) + b"\x05"], Height(9))


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


async def test_a_receipt_tells_cost_and_deliveries(bench: ChainBench) -> None:
    tx_hash = TxHash(b"\x70" * 32)
    words = b"".join(abi.encode_word(value) for value in (0, 2, 3))
    logs = [to_log([abi.DELIVERED, LANE], words, 0)]
    chain = await bench.chain(Node(eth_getTransactionReceipt=receipt(tx_hash, logs=logs)))
    found = await chain.receipt(tx_hash)
    assert found is not None
    assert (found.succeeded, found.fee_wei, found.delivered[0].mask) == (True, 100_000 * GWEI, 3)


async def test_a_receipt_without_an_effective_price_costs_nothing(bench: ChainBench) -> None:
    """Nodes without EIP-1559, where gas is mostly free, leave it out."""
    tx_hash = TxHash(b"\x70" * 32)
    chain = await bench.chain(Node(eth_getTransactionReceipt=receipt(tx_hash, effectiveGasPrice=None)))
    found = await chain.receipt(tx_hash)
    assert found is not None
    assert (found.succeeded, found.gas_used, found.fee_wei) == (True, 50_000, 0)


@pytest.mark.parametrize("changes", [{"blockNumber": None, "blockHash": None}, {"blockHash": None}])
async def test_a_receipt_without_a_block_is_none_yet(bench: ChainBench, changes: dict[str, Any]) -> None:
    tx_hash = TxHash(b"\x70" * 32)
    chain = await bench.chain(Node(eth_getTransactionReceipt=receipt(tx_hash, **changes)))
    assert await chain.receipt(tx_hash) is None


@pytest.mark.parametrize("changes", [{"transactionHash": "0x" + "71" * 32}, {"status": None}])
async def test_receipts_of_something_else_are_refused(bench: ChainBench, changes: dict[str, Any]) -> None:
    tx_hash = TxHash(b"\x70" * 32)
    chain = await bench.chain(Node(eth_getTransactionReceipt=receipt(tx_hash, **changes)))
    with pytest.raises(ChainUnavailable):
        await chain.receipt(tx_hash)
