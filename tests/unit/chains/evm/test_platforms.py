# SPDX-License-Identifier: MIT
"""What nodes of consortium chains answer in ways of their own, read through an EvmChain: Besu's as issues of
its tracker and a Besu 26.8.0 showed them, GoQuorum's as 24.4.1 answered.
"""

from __future__ import annotations

from typing import Any

import pytest

from light_clients.client import Height
from relayer.chains.base import Address, TxHash
from relayer.chains.evm.reverts import decode_revert, from_refusal
from relayer.errors import CallReverted, NotFoundYet, RpcRefused
from tests.unit.chains.evm.chain_bench import ChainBench, Node, block, refuse
from tests.unit.chains.evm.gateway_logs import GATEWAY, message_of, pair

pytestmark = pytest.mark.network

SLOTS = [bytes(30) + b"\x03\x47", bytes(32)]
REASON = "0x08c379a0" + f"{32:064x}{5:064x}" + b"hello".ljust(32, b"\0").hex()


def proof(*keys: str) -> dict[str, Any]:
    return {
        "address": "0x" + GATEWAY.hex(),
        "accountProof": ["0xc0"],
        "balance": "0x0",
        "codeHash": "0x" + "11" * 32,
        "nonce": "0x1",
        "storageHash": "0x" + "22" * 32,
        "storageProof": [
            {"key": key, "value": "0x1", "proof": [f"0x{0xC0 + index:x}"]} for index, key in enumerate(keys)
        ],
    }


@pytest.mark.parametrize(
    ("keys", "nodes"),
    [
        # besu#5478, besu#4564, besu#4504, besu#8499.
        (("0x347", "0x0"), (b"\xc0", b"\xc1")),
        (("0x0347", "0x00"), (b"\xc0", b"\xc1")),
        (("0x" + "0347".zfill(64), "0x" + "0" * 64), (b"\xc0", b"\xc1")),
        (("0x347", "0x"), (b"\xc0", b"\xc1")),
        (("0x0", "0x347"), (b"\xc1", b"\xc0")),
    ],
)
async def test_besus_spellings_of_a_slots_key(
    bench: ChainBench, keys: tuple[str, ...], nodes: tuple[bytes, ...]
) -> None:
    found = await (await bench.chain(Node(eth_getProof=proof(*keys)))).proof(
        Address(GATEWAY), SLOTS, Height(5)
    )
    assert found.storage_nodes == {slot: (node,) for slot, node in zip(SLOTS, nodes, strict=True)}


@pytest.mark.parametrize(
    "gone",
    [
        # Besu: a block it does not know, and a state that Bonsai has no more (from 513 blocks back).
        None,
        refuse(-32000, "World state unavailable"),
        # GoQuorum: a block it does not know, and a state that was pruned.
        refuse(-32000, "header not found"),
        refuse(-32000, "missing trie node 1a2b (path )"),
    ],
)
async def test_a_node_without_the_state_lets_another_one_answer(bench: ChainBench, gone: Any) -> None:
    lacking, keeping = Node(eth_getProof=gone), Node(eth_getProof=proof("0x347", "0x0"))
    with pytest.raises(NotFoundYet):
        await (await bench.chain(lacking)).proof(Address(GATEWAY), SLOTS, Height(5))
    found = await (await bench.chain(lacking, keeping)).proof(Address(GATEWAY), SLOTS, Height(5))
    assert found.account_nodes == (b"\xc0",)


async def test_besus_limit_of_a_range_makes_it_smaller(bench: ChainBench) -> None:
    logs = [log for n in range(20) for log in pair(message_of(n), index=2 * n, block=n + 1)]

    def get_logs(params: list[Any]) -> Any:
        first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
        if last - first >= 10:
            refuse(-32005, "Requested range exceeds maximum RPC range limit")(params)
        return [log for log in logs if first <= int(log["blockNumber"], 16) <= last]

    chain = await bench.chain(Node(eth_getLogs=get_logs), max_log_range=64)
    found = await chain.sent_messages(Height(1), Height(20))
    assert [sent.message.sequence for sent in found] == list(range(20))


@pytest.mark.parametrize(
    "more",
    [
        # Besu's head has all of the newest fields, and its total difficulty.
        {"totalDifficulty": "0x2f8", "withdrawals": [], "withdrawalsRoot": "0x" + "56" * 32, "size": "0x3fe"},
        # GoQuorum's has no base fee; a private transaction in it is a hash like others.
        {"baseFeePerGas": None, "gasLimit": "0x1ffc0020000002", "uncles": [], "totalDifficulty": "0x9"},
    ],
)
async def test_a_head_of_either_platform_is_read(bench: ChainBench, more: dict[str, Any]) -> None:
    told = {key: value for key, value in block(9, **more).items() if value is not None}
    node = Node(eth_getBlockByNumber=lambda params: block(0) if params[0] == "0x0" else told)
    chain = await bench.chain(node, genesis_hash=bytes.fromhex(block(0)["hash"][2:]))
    assert (await chain.head()).number == 9


async def test_goquorums_receipt_costs_nothing_and_tells_of_privacy(bench: ChainBench) -> None:
    tx_hash = TxHash(b"\x70" * 32)
    receipt: dict[str, Any] = {
        "blockHash": "0x" + "b0" * 32,
        "blockNumber": "0x9",
        "contractAddress": None,
        "cumulativeGasUsed": "0xc350",
        "from": "0x" + "01" * 20,
        "gasUsed": "0xc350",
        "isPrivacyMarkerTransaction": False,
        "logs": [],
        "logsBloom": "0x" + "00" * 256,
        "revertReason": REASON,
        "status": "0x0",
        "to": "0x" + GATEWAY.hex(),
        "transactionHash": "0x" + tx_hash.hex(),
        "transactionIndex": "0x0",
        "type": "0x0",
    }
    found = await (await bench.chain(Node(eth_getTransactionReceipt=receipt))).receipt(tx_hash)
    assert found is not None
    assert (found.succeeded, found.gas_used, found.fee_wei) == (False, 50_000, 0)


@pytest.mark.parametrize(
    ("code", "message", "data"),
    [
        # besu#5705; Besu 26.8.0; GoQuorum.
        (-32000, "Execution reverted", REASON),
        (-32000, "Execution reverted: hello", REASON),
        (3, "Execution reverted (hello)", REASON),
        (3, "execution reverted: hello", REASON),
    ],
)
def test_a_reason_is_read_from_where_either_puts_it(code: int, message: str, data: str) -> None:
    error = from_refusal(RpcRefused(code, message, data=bytes.fromhex(data[2:])))
    assert isinstance(error, CallReverted)
    assert (error.name, error.arguments) == ("Error", {"reason": "hello"})
    assert str(error) == str(decode_revert(bytes.fromhex(data[2:])))


@pytest.mark.parametrize(
    ("code", "message"),
    [(3, "Execution reverted"), (-32000, "Execution reverted"), (-32000, "execution reverted")],
)
def test_a_revert_without_a_reason_is_one(code: int, message: str) -> None:
    error = from_refusal(RpcRefused(code, message, data=b""))
    assert isinstance(error, CallReverted)
    assert error.name == ""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        # Besu's old state, its exceptions, and GoQuorum's: no contract refused the call.
        (-32603, "Internal error"),
        (
            -32000,
            "Transaction processing could not be completed due to an exception (Invalid opcode: 0xfe)",
        ),
        (-32000, "invalid opcode: opcode 0x5f not defined"),
        (-32602, "invalid argument 1: hex string without 0x prefix"),
    ],
)
def test_what_is_no_revert(code: int, message: str) -> None:
    assert from_refusal(RpcRefused(code, message, data=b"")) is None
