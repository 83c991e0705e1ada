"""EvmChain over servers that answer as a test wants: splitting, failover, unverifiable messages, broadcasts, heads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from light_clients.client import Height
from light_clients.errors import HeaderRejected
from light_clients.hashing import keccak256
from relayer.chains.base import Address, Call, Chain, TxHash
from relayer.chains.evm import abi
from relayer.chains.evm.chain import EvmChain, EvmSettings
from relayer.chains.evm.fees import FeePolicy
from relayer.chains.rpc_provider import ProviderUrls
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
from relayer.keys import Key
from relayer.protocol.message import LaneId
from tests.support.rpc import RefusalError, Server, serve
from tests.unit.chains.test_events import GATEWAY, LANE, message_of, pair, to_log

pytestmark = pytest.mark.network

GWEI = 10**9
GENESIS = b"\x47" * 32
KEYS = [Key("one", bytes(31) + b"\1"), Key("two", bytes(31) + b"\2")]
Answers = dict[str, Any]


def block(number: int, base_fee: int = GWEI, **changes: Any) -> dict[str, Any]:
    return {
        "number": hex(number),
        "hash": "0x" + keccak256(number.to_bytes(8)).hex(),
        "parentHash": "0x" + keccak256((number - 1).to_bytes(8)).hex() if number else "0x" + "00" * 32,
        "timestamp": hex(1_700_000_000 + number),
        "baseFeePerGas": hex(base_fee),
        "transactions": ["0x" + "11" * 32] * 3,
        **changes,
    }


def lane_word(default: int) -> str:
    words = [7, 1, 0, 0, default, 2_000_000, 4096]
    return "0x" + b"".join(map(abi.encode_word, words)).hex()


class Node:
    """A provider: `answers` maps methods to values, or to functions of the parameters."""

    def __init__(self, **answers: Any) -> None:
        self.answers: Answers = {
            "eth_chainId": "0x539",
            "eth_getBlockByNumber": lambda params: (
                {"hash": "0x" + GENESIS.hex()} if params[0] == "0x0" else block(9)
            ),
            "eth_getTransactionCount": "0x0",
            "eth_getLogs": [],
            "eth_call": lane_word(200_000),
            **answers,
        }
        self.calls: list[tuple[str, list[Any]]] = []

    def __call__(self, method: str, params: list[Any]) -> Any:
        self.calls.append((method, params))
        answer = self.answers[method]
        return answer(params) if callable(answer) else answer

    def asked(self, method: str) -> list[list[Any]]:
        return [params for name, params in self.calls if name == method]


def refuse(code: int, message: str, data: Any = None) -> Callable[[list[Any]], Any]:
    def answer(_: list[Any]) -> Any:
        raise RefusalError(code, message, data)

    return answer


class Bench:
    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.errors: list[tuple[str, str]] = []
        self.servers: list[Server] = []

    async def chain(self, *nodes: Node, websockets: bool = False, **changes: Any) -> EvmChain:
        endpoints = []
        for node in nodes:
            server = await self._stack.enter_async_context(serve(node))
            self.servers.append(server)
            endpoints.append(ProviderUrls(server.http_url, server.ws_url if websockets else None))
        settings = EvmSettings(
            **{
                "name": "it",
                "chain_id": 1337,
                "gateway": Address(GATEWAY),
                "genesis_hash": GENESIS,
                "endpoints": tuple(endpoints),
                "fees": FeePolicy(100 * GWEI, GWEI),
                "poll_interval_s": 0.05,
                **changes,
            }
        )
        chain = EvmChain(settings, KEYS, lambda *told: self.errors.append(told))
        self._stack.push_async_callback(chain.close)
        return chain


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that nobody signals."""
    while not is_so():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield Bench(stack)


async def test_it_is_a_chain(bench: Bench) -> None:
    chain: Chain = await bench.chain(Node())
    assert chain.senders == tuple(key.address for key in KEYS)


# --- blocks and proofs --------------------------------------------------------------------------------------


async def test_a_head_is_read_without_the_blocks_bodies(bench: Bench) -> None:
    chain = await bench.chain(Node())
    head = await chain.head()
    assert (head.number, head.timestamp) == (9, 1_700_000_009)
    assert "transactions" not in await chain.block(Height(9))


async def test_another_block_than_asked_for_is_the_providers_fault(bench: Bench) -> None:
    chain = await bench.chain(
        Node(), Node(eth_getBlockByNumber=lambda params: block(int(params[0], 16), hash="0x" + GENESIS.hex()))
    )
    found = await chain.blocks([Height(5), Height(6)])
    assert [each["number"] for each in found] == ["0x5", "0x6"]
    assert [kind for _, kind in bench.errors] == ["invalid"]


async def test_a_block_that_nobody_has_is_not_found_yet(bench: Bench) -> None:
    chain = await bench.chain(Node(eth_getBlockByNumber=None))
    with pytest.raises(NotFoundYet):
        await chain.block(Height(5))


def proof(keys: list[str]) -> dict[str, Any]:
    return {
        "accountProof": ["0xc0"],
        "storageProof": [{"key": key, "value": "0x1", "proof": ["0xc1", "0xc2"]} for key in keys],
    }


async def test_slots_are_found_under_whatever_key_nodes_write(bench: Bench) -> None:
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
async def test_proofs_of_another_shape_are_refused(bench: Bench, answer: Any) -> None:
    chain = await bench.chain(Node(eth_getProof=answer))
    with pytest.raises(ChainUnavailable):
        await chain.proof(Address(GATEWAY), [bytes(31) + b"\x05"], Height(9))


async def test_what_a_check_rejects_is_asked_of_the_next_provider(bench: Bench) -> None:
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


# --- messages -----------------------------------------------------------------------------------------------


async def test_messages_are_asked_for_by_address_and_topics(bench: Bench) -> None:
    logs = [*pair(message_of(0), index=0), *pair(message_of(1), index=2)]
    node = Node(eth_getLogs=logs)
    found = await (await bench.chain(node)).sent_messages(Height(7), Height(7))
    assert [each.message for each in found] == [message_of(0), message_of(1)]
    (query,) = node.asked("eth_getLogs")[0]
    assert query["address"] == "0x" + GATEWAY.hex()
    assert (query["fromBlock"], query["toBlock"]) == ("0x7", "0x7")
    # The lane's default was asked for once.
    assert len(node.asked("eth_call")) == 1


async def test_a_wide_range_is_read_in_parts_that_providers_accept(bench: Bench) -> None:
    logs = [log for n in range(40) for log in pair(message_of(n), index=2 * n, block=n + 1)]

    def get_logs(params: list[Any]) -> Any:
        first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
        if last - first >= 5:
            raise RefusalError(-32005, "query exceeds the block range limit of 5")
        return [log for log in logs if first <= int(log["blockNumber"], 16) <= last]

    node = Node(eth_getLogs=get_logs)
    chain = await bench.chain(node, max_log_range=64)
    found = await chain.sent_messages(Height(1), Height(40))
    assert [each.message.sequence for each in found] == list(range(40))
    assert await chain.sent_messages(Height(30), Height(30)) == [found[29]]
    assert await chain.sent_messages(Height(41), Height(40)) == []


async def test_a_range_of_one_block_that_is_refused_goes_to_the_next_provider(bench: Bench) -> None:
    logs = pair(message_of(0), index=0)
    refusing = Node(eth_getLogs=refuse(-32005, "query returned more than 10000 results"))
    chain = await bench.chain(refusing, Node(eth_getLogs=logs))
    (found,) = await chain.sent_messages(Height(7), Height(7))
    assert found.message == message_of(0)


async def test_limits_that_changed_are_found_in_the_range_now_or_before(bench: Bench) -> None:
    limits = abi.encode_word(300_000) + abi.encode_word(2_000_000) + abi.encode_word(4096)
    logs = [
        *pair(message_of(0, 200_000), index=0),
        to_log([abi.LANE_LIMITED, LANE], limits, 2),
        *pair(message_of(1, 300_000), index=4),
    ]
    node = Node(eth_getLogs=logs)
    found = await (await bench.chain(node)).sent_messages(Height(7), Height(7))
    assert [each.message.gas_limit for each in found] == [200_000, 300_000]
    assert all(each.message.id == each.claimed_id for each in found)


async def test_a_limit_that_only_history_tells_is_looked_up(bench: Bench) -> None:
    limits = abi.encode_word(250_000) + abi.encode_word(2_000_000) + abi.encode_word(4096)
    old = to_log([abi.LANE_LIMITED, LANE], limits, 0, block=2)

    def get_logs(params: list[Any]) -> Any:
        return [old] if isinstance(params[0]["topics"][0], str) else pair(message_of(0, 250_000), index=0)

    def call(params: list[Any]) -> Any:
        if params[1] != "latest":
            raise RefusalError(-32000, "missing trie node")
        return lane_word(999_999)

    node = Node(eth_getLogs=get_logs, eth_call=call)
    (found,) = await (await bench.chain(node)).sent_messages(Height(7), Height(7))
    assert found.message == message_of(0, 250_000)


async def test_a_changed_message_is_asked_of_the_next_provider(bench: Bench) -> None:
    """INV-5: and who changed it is charged."""
    honest = pair(message_of(0), index=0)
    changed = pair(message_of(0, payload=b"forged"), index=0)
    for log, right in zip(changed, honest, strict=True):
        log["topics"] = right["topics"]
    chain = await bench.chain(Node(eth_getLogs=changed), Node(eth_getLogs=honest))
    (found,) = await chain.sent_messages(Height(7), Height(7))
    assert found.message == message_of(0)
    assert "invalid" in {kind for _, kind in bench.errors}
    assert chain.health()[0].cost > chain.health()[1].cost


async def test_who_left_a_log_out_is_charged_when_the_proven_head_shows_it(bench: Bench) -> None:
    """INV-5: and the other provider is asked from then on."""
    whole = pair(message_of(0), index=0)
    chain = await bench.chain(Node(eth_getLogs=[]), Node(eth_getLogs=whole))
    assert await chain.sent_messages(Height(7), Height(7)) == []
    chain.doubt_logs(Height(8), Height(20))
    assert bench.errors == []
    chain.doubt_logs(Height(0), Height(20))
    assert [kind for _, kind in bench.errors] == ["invalid"]
    (found,) = await chain.sent_messages(Height(7), Height(7))
    assert found.message == message_of(0)


async def test_what_nobody_reproduces_is_reported_and_not_dropped(bench: Bench) -> None:
    changed = pair(message_of(3, payload=b"forged"), index=0)
    for log, right in zip(changed, pair(message_of(3), index=0), strict=True):
        log["topics"] = right["topics"]
    chain = await bench.chain(Node(eth_getLogs=changed), Node(eth_getLogs=changed))
    (found,) = await chain.sent_messages(Height(7), Height(7))
    assert found.claimed_id == message_of(3).id
    assert found.message.id != found.claimed_id
    assert found.message.sequence == 3


async def test_logs_that_no_gateway_emits_are_no_answer(bench: Bench) -> None:
    chain = await bench.chain(Node(eth_getLogs=pair(message_of(0))[:1]))
    with pytest.raises(ChainUnavailable, match="MessageSent without MessageAppended"):
        await chain.sent_messages(Height(7), Height(7))


# --- the gateway --------------------------------------------------------------------------------------------


async def test_the_gateway_is_asked_and_its_answers_read(bench: Bench) -> None:
    chain = await bench.chain(Node())
    lane = await chain.lane(LANE)
    assert (lane.next_sequence, lane.open, lane.paused) == (7, True, False)


async def test_a_gateway_that_is_not_there_is_told(bench: Bench) -> None:
    chain = await bench.chain(Node(eth_call="0x"))
    with pytest.raises(RpcAnswerInvalid, match="right contract"):
        await chain.lane(LaneId(LANE))
    with pytest.raises(ConfigError, match="no gateway"):
        await chain.check_gateway()


async def test_a_refusal_is_decoded(bench: Bench) -> None:
    data = "0x" + (abi.selector("MalformedBatch(uint256)") + abi.encode_word(5)).hex()
    node = Node(eth_call=refuse(3, "execution reverted", data))
    chain = await bench.chain(node)
    with pytest.raises(CallRevertedDrop, match="MalformedBatch"):
        await chain.simulate_deliver(chain.senders[0], b"batch", b"proof", 1_000_000)
    call, at = node.asked("eth_call")[0]
    assert (call["from"], call["gas"], at) == ("0x" + chain.senders[0].hex(), hex(1_000_000), "latest")
    assert call["data"] == "0x" + abi.encode_deliver(b"batch", b"proof").hex()


# --- transactions -------------------------------------------------------------------------------------------


async def test_a_transaction_is_priced_numbered_and_broadcast_to_everyone(bench: Bench) -> None:
    nodes = [Node(eth_sendRawTransaction="0x" + "11" * 32), Node(eth_sendRawTransaction="0x" + "11" * 32)]
    chain = await bench.chain(*nodes)
    signed = await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))
    assert (signed.nonce, signed.max_fee_wei, signed.priority_fee_wei) == (0, 3 * GWEI, GWEI)
    await chain.broadcast(signed.raw)
    assert [node.asked("eth_sendRawTransaction") for node in nodes] == [[["0x" + signed.raw.hex()]]] * 2
    again = await chain.replace(signed, Call(Address(GATEWAY), b"data"))
    assert (again.nonce, again.gas) == (0, 100_000)
    assert again.max_fee_wei > signed.max_fee_wei


async def test_gas_is_estimated_with_room_where_none_is_given(bench: Bench) -> None:
    chain = await bench.chain(Node(eth_estimateGas=hex(100_000)))
    assert (await chain.prepare(Call(Address(GATEWAY), b"data"))).gas == 125_000


async def test_a_base_fee_above_the_limit_waits(bench: Bench) -> None:
    dear = Node(
        eth_getBlockByNumber=lambda params: (
            {"hash": "0x" + GENESIS.hex()} if params[0] == "0x0" else block(9, 101 * GWEI)
        )
    )
    chain = await bench.chain(dear)
    with pytest.raises(FeeLimitReached):
        await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))


async def test_a_chain_without_base_fees_is_not_served(bench: Bench) -> None:
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
async def test_refused_broadcasts_are_told_apart(bench: Bench, message: str, error: type[Exception]) -> None:
    node = Node(eth_sendRawTransaction=refuse(-32000, message), eth_getTransactionReceipt=None)
    chain = await bench.chain(node)
    signed = await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))
    with pytest.raises(error):
        await chain.broadcast(signed.raw)


@pytest.mark.parametrize("words", ["already known", "the transaction is already in the TxPool"])
async def test_a_transaction_that_a_node_has_is_a_success(bench: Bench, words: str) -> None:
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


async def test_a_nonce_used_by_the_very_transaction_is_a_success(bench: Bench) -> None:
    """INV-6: a restart broadcasts again what was included meanwhile."""
    node = Node(
        eth_sendRawTransaction=refuse(-32000, "nonce too low"),
        eth_getTransactionReceipt=lambda params: receipt(bytes.fromhex(params[0][2:])),
    )
    chain = await bench.chain(node)
    signed = await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))
    await chain.broadcast(signed.raw)
    assert chain.in_flight(signed.sender) == 0


async def test_an_account_that_cannot_pay_gives_way_to_another(bench: Bench) -> None:
    node = Node(eth_sendRawTransaction=refuse(-32000, "insufficient funds"))
    chain = await bench.chain(node)
    first = await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))
    with pytest.raises(InsufficientFunds):
        await chain.broadcast(first.raw)
    chain.abandon(first)
    second = await chain.prepare(Call(Address(GATEWAY), b"data", 100_000))
    assert second.sender != first.sender


async def test_a_receipt_tells_cost_and_deliveries(bench: Bench) -> None:
    tx_hash = TxHash(b"\x70" * 32)
    words = b"".join(abi.encode_word(value) for value in (0, 2, 3))
    logs = [to_log([abi.DELIVERED, LANE], words, 0)]
    chain = await bench.chain(Node(eth_getTransactionReceipt=receipt(tx_hash, logs=logs)))
    found = await chain.receipt(tx_hash)
    assert found is not None
    assert (found.succeeded, found.fee_wei, found.delivered[0].mask) == (True, 100_000 * GWEI, 3)


@pytest.mark.parametrize(
    "changes", [{"transactionHash": "0x" + "71" * 32}, {"status": None}, {"effectiveGasPrice": None}]
)
async def test_receipts_of_something_else_are_refused(bench: Bench, changes: dict[str, Any]) -> None:
    tx_hash = TxHash(b"\x70" * 32)
    chain = await bench.chain(Node(eth_getTransactionReceipt=receipt(tx_hash, **changes)))
    with pytest.raises(ChainUnavailable):
        await chain.receipt(tx_hash)


async def test_no_receipt_is_no_error(bench: Bench) -> None:
    assert await (await bench.chain(Node(eth_getTransactionReceipt=None))).receipt(TxHash(bytes(32))) is None


async def test_a_provider_of_another_chain_is_a_configuration_error(bench: Bench) -> None:
    chain = await bench.chain(Node(eth_chainId="0x1"))
    with pytest.raises(WrongChain):
        await chain.head()


# --- heads --------------------------------------------------------------------------------------------------


def push(number: int, subscription: str = "0xsub") -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "method": "eth_subscription",
        "params": {"subscription": subscription, "result": block(number)},
    }


async def test_heads_come_from_the_websocket(bench: Bench) -> None:
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
async def test_a_websocket_that_talks_nonsense_is_helped_out_by_polling(bench: Bench, frame: Any) -> None:
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


async def test_a_refused_subscription_is_helped_out_by_polling(bench: Bench) -> None:
    chain = await bench.chain(Node(eth_subscribe=refuse(-32601, "no subscriptions")), websockets=True)
    heads = chain.heads()
    async with asyncio.timeout(5):
        assert (await anext(heads)).number == 9
        waiting = asyncio.ensure_future(anext(heads))
        await until(lambda: "websocket" in {kind for _, kind in bench.errors})
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_polling_goes_on_through_an_outage(bench: Bench) -> None:
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
