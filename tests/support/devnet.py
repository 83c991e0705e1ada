# SPDX-License-Identifier: MIT
"""Talking to a local chain as any client would, and contracts small enough to be written by hand."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import aiohttp

from light_clients.hashing import keccak256
from relayer.devnet.chain.anvil_chain import AnvilChain
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.chain.local_chain import LocalChain
from relayer.devnet.rpc.rpc_server import RpcServer
from relayer.devnet.state.identities import Account
from relayer.devnet.state.ledger import Ledger
from relayer.keys import sign_transaction

GWEI: Final = 10**9
#: A chain that makes a block only when it is told to.
ON_DEMAND: Final = ChainOptions(block_time_s=None)


def _creation(runtime: str) -> bytes:
    code = bytes.fromhex(runtime)
    return bytes.fromhex(f"60{len(code):02x}8060095f395ff3") + code


#: Called with a number n, it emits n logs with topics (0xaa, i) and data i, and keeps n in slot 0.
EMITTER: Final = _creation("5f355f5b81811015601b57805f528060aa60205fa2600101600356" + "5b5f5500")
#: Called, it keeps BLOCKHASH(NUMBER - 1), PREVRANDAO, COINBASE and TIMESTAMP in slots 0 to 3.
WITNESS: Final = _creation("6001430340" + "5f55" + "44600155" + "41600255" + "42600355" + "00")


class Refused(Exception):  # noqa: N818  says what happened
    """A JSON-RPC error, as a client sees it."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error)
        self.code: int = error["code"]
        self.message: str = error["message"]


class Client:
    """A JSON-RPC client over HTTP; keeps every answer's text in `seen`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ids = itertools.count(1)
        self._session = aiohttp.ClientSession()
        self.seen: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, method: str, *params: Any) -> Any:
        """The result of one call; raises Refused."""
        answer = await self.post(
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        )
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    async def batch(self, *calls: tuple[str, *tuple[Any, ...]]) -> list[Any]:
        """The results of several calls in one request, in order."""
        body = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
            for i, (method, *params) in enumerate(calls)
        ]
        return [answer["result"] for answer in sorted(await self.post(body), key=lambda answer: answer["id"])]

    async def post(self, body: Any) -> Any:
        """The decoded answer to a decoded request."""
        async with self._session.post(self._url, json=body) as response:
            response.raise_for_status()
            self.seen.append(await response.text())
            return await response.json()

    async def post_raw(self, body: bytes) -> tuple[int, str]:
        """Status and text of the answer to any bytes."""
        async with self._session.post(self._url, data=body) as response:
            return response.status, await response.text()


class Socket:
    """A WebSocket with subscriptions; keeps every message's text in `seen`."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._ids = itertools.count(1)
        self._events: list[dict[str, Any]] = []
        self.seen: list[str] = []

    async def call(self, method: str, *params: Any) -> Any:
        """The result of one call; raises Refused. Events that come first are kept."""
        number = next(self._ids)
        await self._ws.send_json({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        while True:
            message = await self._receive()
            if message.get("id") == number:
                if "error" in message:
                    raise Refused(message["error"])
                return message["result"]
            self._events.append(message["params"])

    async def event(self, subscription: str) -> Any:
        """The next event of a subscription."""
        while True:
            for i, event in enumerate(self._events):
                if event["subscription"] == subscription:
                    return self._events.pop(i)["result"]
            self._events.append((await self._receive())["params"])

    async def closed(self) -> bool:
        """Whether the next thing that happens is the end of the connection."""
        async with asyncio.timeout(5):
            message = await self._ws.receive()
        return message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR}

    async def _receive(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            text = await self._ws.receive_str()
        self.seen.append(text)
        message: dict[str, Any] = json.loads(text)
        return message


@asynccontextmanager
async def open_socket(chain: LocalChain | RpcServer) -> AsyncIterator[Socket]:
    """A WebSocket to a chain, or to one of its RPC servers."""
    async with aiohttp.ClientSession() as session, session.ws_connect(chain.ws_url, max_msg_size=0) as ws:
        yield Socket(ws)


class Wallet:
    """Signs and sends for one account of a chain, and counts its nonce itself."""

    def __init__(self, client: Client, chain: AnvilChain[Any], account: Account | None = None) -> None:
        self._client = client
        self._chain = chain
        self._account = chain.funded_keys[0] if account is None else account
        self._nonce = 0
        self.sent: list[bytes] = []

    async def send(self, to: bytes | None, data: bytes, *, gas: int = 5_000_000) -> str:
        """Send a transaction (a deployment when `to` is None); returns its hash."""
        raw, _ = sign_transaction(
            {
                "chainId": self._chain.chain_id,
                "nonce": self._nonce,
                "to": b"" if to is None else to,
                "data": data,
                "value": 0,
                "gas": gas,
                "maxFeePerGas": 50 * GWEI,
                "maxPriorityFeePerGas": GWEI,
                "type": 2,
            },
            self._account.secret,
        )
        self._nonce += 1
        self.sent.append(raw)
        tx_hash: str = await self._client.call("eth_sendRawTransaction", "0x" + raw.hex())
        return tx_hash

    async def deploy(self, creation: bytes) -> bytes:
        """Deploy a contract and make the block that holds it; returns its address."""
        tx_hash = await self.send(None, creation)
        await self._chain.mine()
        receipt = await self._client.call("eth_getTransactionReceipt", tx_hash)
        assert receipt["status"] == "0x1"
        return bytes.fromhex(receipt["contractAddress"][2:])


def word(value: int) -> bytes:
    """32 bytes."""
    return value.to_bytes(32, "big")


@dataclass(frozen=True)
class PlainBlock:
    """A block of no kind of consensus, for what looks at hashes and heights alone."""

    number: int
    hash: bytes
    parent_hash: bytes
    anvil_hash: bytes
    timestamp: int = 1
    state_root: bytes = bytes(32)


def plain_block(number: int, parent_hash: bytes) -> PlainBlock:
    """A block whose hash is unlike anvil's, which is its number 32 times."""
    return PlainBlock(number, keccak256(b"%d" % number), parent_hash, bytes([number]) * 32)


def plain_ledger(count: int) -> Ledger[PlainBlock]:
    """A ledger of so many blocks, genesis included."""
    ledger = Ledger(plain_block(0, bytes(32)))
    for number in range(1, count):
        ledger.append(plain_block(number, ledger.head.hash))
    return ledger
