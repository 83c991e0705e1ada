# SPDX-License-Identifier: MIT
"""`eth_subscribe` over WebSockets: new heads and logs, in the order of blocks."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from typing import Final, Generic

import msgspec
from aiohttp import WSMsgType, web

from relayer.devnet.rpc.jsonrpc import INVALID_PARAMS, SERVER_ERROR, Call, RpcError
from relayer.devnet.rpc.logs import LogSource
from relayer.devnet.rpc.served_blocks import ServedBlocks
from relayer.devnet.state.ledger import B

# A subscriber that reads slower than blocks come is cut off before its backlog fills our memory.
MAX_BACKLOG_BYTES: Final = 128 << 20
MAX_SUBSCRIPTIONS: Final = 256


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client listens to: `match` is None for new heads, else JSON of addresses and topics of logs."""

    subscription_id: str
    match: bytes | None

    def event(self, result: bytes) -> bytes:
        """Return the notification with this result."""
        return b'{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"%b","result":%b}}' % (
            self.subscription_id.encode(),
            result,
        )


class Listener:
    """One WebSocket: its subscriptions, and the queue of what is to be sent."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None, logs: LogSource
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._logs = logs
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._backlog = 0
        self.subscriptions: dict[str, Subscription] = {}
        self.overrun = False

    def send(self, message: bytes) -> None:
        """Queue a message; one that no longer fits ends the connection."""
        self._backlog += len(message)
        if self._backlog > MAX_BACKLOG_BYTES:
            self.overrun = True
            self.abort()
            return
        self._queue.put_nowait(message)

    def abort(self) -> None:
        """Break the connection without a word, as a dying network does."""
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()

    async def run(self) -> None:
        """Send what is queued until the connection or the task ends."""
        with contextlib.suppress(ConnectionError):
            while True:
                message = await self._queue.get()
                await self._socket.send_frame(message, WSMsgType.TEXT)
                self._backlog -= len(message)

    def subscribe(self, call: Call) -> bytes:
        """Return the answer to `eth_subscribe`."""
        topic = call.param(0)
        if topic == b'"newHeads"':
            match = None
        elif topic == b'"logs"':
            match = self._logs.read(call.param(1), call.head).match
        else:
            raise RpcError(INVALID_PARAMS, 'a subscription of another kind; expected "newHeads" or "logs"')
        if len(self.subscriptions) >= MAX_SUBSCRIPTIONS:
            raise RpcError(SERVER_ERROR, f"{MAX_SUBSCRIPTIONS} subscriptions already on this connection")
        subscription = Subscription("0x" + secrets.token_hex(16), match)
        self.subscriptions[subscription.subscription_id] = subscription
        return call.result(msgspec.json.encode(subscription.subscription_id))

    def unsubscribe(self, call: Call) -> bytes:
        """Return the answer to `eth_unsubscribe`."""
        wanted = msgspec.json.decode(call.param(0) or b"null")
        found = isinstance(wanted, str) and self.subscriptions.pop(wanted, None) is not None
        return call.result(b"true" if found else b"false")


class Publisher(Generic[B]):
    """Tells listeners of every new block."""

    def __init__(self, blocks: ServedBlocks[B], logs: LogSource) -> None:
        self._blocks = blocks
        self._logs = logs
        self.listeners: set[Listener] = set()

    async def publish(self, block: B, *, has_logs: bool) -> None:
        """Queue the events of a block. Whoever subscribed before the block was sealed hears of it."""
        wanted = [
            (listener, subscription)
            for listener in self.listeners
            for subscription in listener.subscriptions.values()
        ]
        if any(subscription.match is None for _, subscription in wanted):
            header = await self._blocks.header(block)
            for listener, subscription in wanted:
                if subscription.match is None:
                    listener.send(subscription.event(header))
        if not has_logs:
            return
        # Many listeners ask for the same logs: fetch every sort once.
        for match in {subscription.match for _, subscription in wanted if subscription.match is not None}:
            logs = await self._logs.of_block(block.number, match)
            for listener, subscription in wanted:
                if subscription.match == match:
                    for log in logs:
                        listener.send(subscription.event(log))
