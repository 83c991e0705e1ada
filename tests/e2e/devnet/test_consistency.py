# SPDX-License-Identifier: MIT
"""One chain, whichever way it is asked: no hash of anvil's in any answer, and all answers agree."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import pytest

from light_clients.bft.preimage import BftKind
from light_clients.hashing import keccak256
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.devnet.rpc.methods import PASSED_ON
from tests.support.devnet import EMITTER, Client, Refused, Wallet, open_socket, word

HASH: Final = re.compile(r"0x[0-9a-f]{64}")
# Where EIP-2935 keeps block hashes: state, so anvil's; see test_disagreements.py.
HISTORY: Final = "0x0000f90827f1c53a10cb7a02335b175320002935"


async def test_no_native_hash_in_any_answer_of_any_method(chain: LocalBftChain, client: Client) -> None:
    """Every method of the table is asked, by number, by tag and by hash, over HTTP and WebSocket."""
    wallet = Wallet(client, chain)
    async with open_socket(chain) as socket:
        heads, logs = (
            await socket.call("eth_subscribe", "newHeads"),
            await socket.call("eth_subscribe", "logs", {}),
        )
        filters = [await client.call("eth_newFilter", {}), await client.call("eth_newBlockFilter")]
        filters.append(await client.call("eth_newPendingTransactionFilter"))
        emitter = await wallet.deploy(EMITTER)
        tx_hash = await wallet.send(emitter, word(3))
        waiting = await client.call("eth_getTransactionByHash", tx_hash)
        assert waiting["blockHash"] is waiting["blockNumber"] is waiting["transactionIndex"] is None
        assert await client.call("eth_getTransactionReceipt", tx_hash) is None
        await client.call("evm_mine")
        head = "0x" + chain.head.hash.hex()
        to = "0x" + emitter.hex()
        account = chain.funded_keys[0].address_text
        spec = {"to": to, "from": account, "data": "0x" + word(1).hex()}
        slot = "0x" + word(0).hex()
        validators = "qbft" if chain.protocol is BftKind.QBFT else "ibft"
        calls: dict[str, list[list[Any]]] = {
            "eth_chainId": [[]],
            "net_version": [[]],
            "net_listening": [[]],
            "net_peerCount": [[]],
            "eth_syncing": [[]],
            "eth_accounts": [[]],
            "web3_clientVersion": [[]],
            "eth_blockNumber": [[]],
            "eth_gasPrice": [[]],
            "eth_maxPriorityFeePerGas": [[]],
            "eth_blobBaseFee": [[]],
            "web3_sha3": [["0x00"]],
            "txpool_status": [[]],
            "debug_getRawHeader": [["latest"], [head], ["0x1"]],
            f"{validators}_getValidatorsByBlockNumber": [["latest"], ["0x0"]],
            f"{validators}_getValidatorsByBlockHash": [[head]],
            "eth_getBlockByNumber": [["latest", True], ["0x0", False], ["0x3", True], ["0xffff", False]],
            "eth_getBlockByHash": [[head, True], [head, False], ["0x" + "11" * 32, False]],
            "eth_getBlockTransactionCountByNumber": [["latest"]],
            "eth_getBlockTransactionCountByHash": [[head]],
            "eth_getTransactionByBlockNumberAndIndex": [["latest", "0x0"]],
            "eth_getTransactionByBlockHashAndIndex": [[head, "0x0"]],
            "eth_getBlockReceipts": [["latest"], [head], [{"blockHash": head}]],
            "eth_getTransactionByHash": [[tx_hash], ["0x" + "22" * 32]],
            "eth_getTransactionReceipt": [[tx_hash], ["0x" + "22" * 32]],
            "eth_getLogs": [[{"fromBlock": "earliest"}], [{"blockHash": head, "address": to}], [{}]],
            "eth_call": [[spec, "latest"], [spec, {"blockHash": head}], [spec], [spec, head]],
            "eth_estimateGas": [[spec], [spec, "pending"]],
            "eth_createAccessList": [[spec, "latest"]],
            "eth_getBalance": [[account, "finalized"], [account, {"blockHash": head}]],
            "eth_getCode": [[to, "safe"]],
            "eth_getTransactionCount": [[account, "latest"], [account, "pending"]],
            "eth_getStorageAt": [[to, slot, "latest"], [to, slot, {"blockNumber": "0x3"}]],
            "eth_getProof": [
                [to, [slot], "latest"],
                [to, [slot], {"blockHash": head, "requireCanonical": True}],
            ],
            "eth_feeHistory": [["0x3", "latest", [50]]],
            "eth_newFilter": [[{}]],
            "eth_newBlockFilter": [[]],
            "eth_newPendingTransactionFilter": [[]],
            "eth_getFilterChanges": [[name] for name in filters],
            "eth_getFilterLogs": [[filters[0]]],
            "eth_uninstallFilter": [[name] for name in filters],
            "evm_mine": [[]],
            "eth_sendRawTransaction": [["0x" + wallet.sent[-1].hex()]],
        }
        assert set(calls) == chain.methods, "a method is in the table that this test does not ask"
        refused = []
        for method, asked in calls.items():
            for params in asked:
                for ask in (client.call, socket.call):
                    try:
                        await ask(method, *params)
                    except Refused as error:
                        refused.append((method, error.message))
        await socket.event(heads)
        await socket.event(logs)
        # Sent twice, uninstalled twice: those alone may be refused, all others must have told something.
        assert {method for method, _ in refused} <= {
            "eth_sendRawTransaction",
            "eth_getFilterChanges",
            "eth_getFilterLogs",
        }
        text = "\n".join(client.seen + socket.seen)
    told = set(HASH.findall(text))
    native = chain.anvil_hashes
    assert len(native) == chain.head.number + 1
    assert told.isdisjoint(native)
    # The walk would find one: our own hashes are all over these answers.
    assert {"0x" + chain.block(number).hash.hex() for number in range(1, 4)} <= told


async def test_transactions_receipts_logs_and_blocks_agree(chain: LocalBftChain, client: Client) -> None:
    wallet = Wallet(client, chain)
    emitter = await wallet.deploy(EMITTER)
    hashes = [await wallet.send(emitter, word(count)) for count in (2, 3)]
    assert hashes == ["0x" + keccak256(raw).hex() for raw in wallet.sent[1:]]
    await chain.mine()
    block_hash, number = "0x" + chain.head.hash.hex(), hex(chain.head.number)
    block = await client.call("eth_getBlockByNumber", number, True)
    assert block == await client.call("eth_getBlockByHash", block_hash, True)
    short = await client.call("eth_getBlockByHash", block_hash, False)
    assert short["transactions"] == [transaction["hash"] for transaction in block["transactions"]]
    assert {**short, "transactions": block["transactions"]} == block
    assert sorted(short["transactions"]) == sorted(hashes)
    for index, transaction in enumerate(block["transactions"]):
        assert transaction["blockHash"] == block_hash
        assert transaction["blockNumber"] == number
        assert transaction == await client.call("eth_getTransactionByHash", transaction["hash"])
        assert transaction == await client.call(
            "eth_getTransactionByBlockHashAndIndex", block_hash, hex(index)
        )
        assert transaction == await client.call("eth_getTransactionByBlockNumberAndIndex", number, hex(index))
    receipts = [await client.call("eth_getTransactionReceipt", tx) for tx in short["transactions"]]
    assert receipts == await client.call("eth_getBlockReceipts", block_hash)
    assert {receipt["blockHash"] for receipt in receipts} == {block_hash}
    logs = [log for receipt in receipts for log in receipt["logs"]]
    assert len(logs) == 5
    assert {log["blockHash"] for log in logs} == {block_hash}
    assert logs == await client.call("eth_getLogs", {"blockHash": block_hash})
    assert logs == await client.call("eth_getLogs", {"fromBlock": number, "toBlock": number})
    by_topic = {"fromBlock": "earliest", "toBlock": "finalized", "topics": [None, "0x" + word(2).hex()]}
    assert await client.call("eth_getLogs", by_topic) == [
        log for log in logs if log["topics"][1] == "0x" + word(2).hex()
    ]
    assert await client.call("eth_getBlockTransactionCountByHash", block_hash) == "0x2"
    assert await client.call("eth_getBlockTransactionCountByNumber", number) == "0x2"


async def test_state_by_hash_is_state_by_number(qbft: LocalBftChain, client: Client) -> None:
    wallet = Wallet(client, qbft)
    emitter = "0x" + (await wallet.deploy(EMITTER)).hex()
    for count in (1, 2):
        await wallet.send(bytes.fromhex(emitter[2:]), word(count))
        await qbft.mine()
    slot = "0x" + word(0).hex()
    for number, value in ((2, 0), (3, 1), (4, 2)):
        block_hash = "0x" + qbft.block(number).hash.hex()
        for block in (hex(number), block_hash, {"blockHash": block_hash}, {"blockNumber": hex(number)}):
            assert int(await client.call("eth_getStorageAt", emitter, slot, block), 16) == value
            proof = await client.call("eth_getProof", emitter, [slot], block)
            assert int(proof["storageProof"][0]["value"], 16) == value


async def test_a_batch_sees_one_head(qbft: LocalBftChain, client: Client) -> None:
    """A block and a proof asked for together belong together, while blocks come as fast as they can."""
    from light_clients.proofs import mpt

    account = qbft.funded_keys[0]

    async def grow() -> None:
        while True:
            await qbft.mine()

    growing = asyncio.create_task(grow())
    try:
        for _ in range(20):
            height, block, proof = await client.batch(
                ("eth_blockNumber",),
                ("eth_getBlockByNumber", "latest", False),
                ("eth_getProof", account.address_text, [], "latest"),
            )
            assert block["number"] == height
            nodes = [bytes.fromhex(node[2:]) for node in proof["accountProof"]]
            state_root = bytes.fromhex(block["stateRoot"][2:])
            assert mpt.verify_account(state_root, account.address, nodes) is not None
    finally:
        growing.cancel()


async def test_filters_tell_each_thing_once(qbft: LocalBftChain, client: Client) -> None:
    wallet = Wallet(client, qbft)
    emitter = await wallet.deploy(EMITTER)
    logs = await client.call("eth_newFilter", {"address": "0x" + emitter.hex()})
    blocks = await client.call("eth_newBlockFilter")
    assert await client.call("eth_getFilterChanges", logs) == []
    for count in (1, 2):
        await wallet.send(emitter, word(count))
        await qbft.mine()
    assert len(await client.call("eth_getFilterChanges", logs)) == 3
    assert await client.call("eth_getFilterChanges", logs) == []
    assert await client.call("eth_getFilterChanges", blocks) == [
        "0x" + qbft.block(number).hash.hex() for number in (3, 4)
    ]
    assert await client.call("eth_getFilterChanges", blocks) == []
    assert await client.call("eth_uninstallFilter", logs) is True
    assert await client.call("eth_uninstallFilter", logs) is False
    with pytest.raises(Refused, match="filter not found"):
        await client.call("eth_getFilterChanges", logs)


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("anvil_nodeInfo", [], "not among the methods"),
        ("eth_subscribe", ["newHeads"], "needs a WebSocket"),
        ("eth_getBlockByNumber", [], "without a block"),
        ("eth_getBlockByNumber", ["newest", False], "expected a tag"),
        ("eth_getBlockByNumber", ["0x1", 1], "expected true or false"),
        ("eth_getBlockByHash", ["0x12", False], "expected 32 bytes"),
        ("eth_getBalance", ["0x" + "00" * 20, "0x99"], "the head is 1"),
        ("eth_getBalance", ["0x" + "00" * 20, {"blockHash": "0x" + "33" * 32}], "unknown block"),
        ("eth_getProof", ["0x" + "00" * 20], "expected at least 2"),
        ("eth_getLogs", [{"blockHash": "0x" + "33" * 32}], "unknown block"),
        ("eth_getLogs", [{"blockHash": "0x" + "33" * 32, "fromBlock": "0x1"}], "one of the two"),
        ("eth_getLogs", [{"fromBlock": "0x2", "toBlock": "0x1"}], "invalid block range"),
        ("eth_getLogs", [7], "can't be read"),
        ("eth_getFilterLogs", ["0x1"], "filter not found"),
        ("evm_mine", [{"timestamp": 1}], "expected none"),
    ],
)
async def test_what_is_refused_and_why(
    qbft: LocalBftChain, client: Client, method: str, params: list[Any], message: str
) -> None:
    with pytest.raises(Refused, match=message):
        await client.call(method, *params)


async def test_what_is_no_request_is_answered_as_the_standard_says(
    qbft: LocalBftChain, client: Client
) -> None:
    for body, code in (
        (b"{", -32700),
        (b"[{]", -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'{"jsonrpc":"2.0","method":"eth_chainId","params":[]}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"eth_chainId","params":[]}', -32600),
        (b'{"jsonrpc":"2.0","id":99999999999999999999,"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{"a":1}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_nothing"}', -32601),
    ):
        status, text = await client.post_raw(body)
        assert status == 200
        assert f'"code":{code}' in text, body
    # One bad request in a batch does not spoil the others, and strings are ids as well.
    good = '{"jsonrpc":"2.0","id":"x","method":"eth_chainId","params":null}'
    _, text = await client.post_raw(f"[{good},3,{good}]".encode())
    assert text.count(f'"id":"x","result":"{hex(qbft.chain_id)}"') == 2
    assert text.count('"error"') == 1


async def test_passed_on_methods_hold_no_block(qbft: LocalBftChain, client: Client) -> None:
    """What goes through untouched can't tell of a block: its answers have no hash of 32 bytes at all."""
    await qbft.mine(3)
    for method in set(PASSED_ON) - {"eth_sendRawTransaction", "web3_sha3"}:
        await client.call(method)
    assert not HASH.findall("".join(client.seen))
