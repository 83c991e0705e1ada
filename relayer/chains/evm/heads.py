# SPDX-License-Identifier: MIT
"""New heads: by websocket where there is one, by polling where there is none or where it falls silent.

A head is a reason to look, never a fact: it may be missing, repeated or invented, and what depends on it is
read again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

import aiohttp
import msgspec

from relayer.chains.base import Head
from relayer.chains.evm.rpc_types import BlockHead, parse_head
from relayer.chains.rpc_provider import RpcProvider
from relayer.errors import PostroadError, Retryable, RpcAnswerInvalid

_MAX_FRAME_BYTES: Final = 1 << 20
_HEARTBEAT_S: Final = 15.0
_FIRST_RECONNECT_S: Final = 0.5
_LONGEST_RECONNECT_S: Final = 30.0
_SUBSCRIBE_TIMEOUT_S: Final = 10.0
# A websocket that spoke is given this many intervals before it is helped out by polling.
_WEBSOCKET_PATIENCE: Final = 4
# Only the newest matters: a consumer that is slow finds one head waiting, not a queue of old ones.
_QUEUE: Final = 1


class _Params(msgspec.Struct):
    result: BlockHead | None = None
    subscription: str = ""


class _Frame(msgspec.Struct):
    id: int | str | None = None
    method: str | None = None
    params: _Params | None = None
    result: Any = None
    error: Any = None


_FRAME = msgspec.json.Decoder(_Frame)


class HeadFeed:
    """Heads of one chain for one consumer.

    Args:
        providers: those with a websocket are listened to, all at once.
        poll: reads the newest head, for start, silence and providers without a websocket.
        interval_s: how often to poll; while websockets speak within that time, nobody is polled.
        on_error: told of websocket trouble: the provider's label and `websocket`.
    """

    def __init__(
        self,
        providers: Sequence[RpcProvider],
        poll: Callable[[], Awaitable[Head]],
        interval_s: float,
        on_error: Callable[[str, str], None] | None = None,
    ) -> None:
        self._providers = [provider for provider in providers if provider.endpoint.websocket is not None]
        self._poll = poll
        self._interval_s = interval_s
        self._on_error = on_error
        self._queue: asyncio.Queue[Head] = asyncio.Queue(_QUEUE)
        self._last: bytes | None = None
        self._is_waiting = False
        self._connected = 0

    async def heads(self) -> AsyncIterator[Head]:
        """Heads as they come, each different from the one before.

        Never ends by itself; close the iterator.
        """
        listeners = [asyncio.create_task(self._listen(provider)) for provider in self._providers]
        try:
            while True:
                head = await self._next()
                if head is not None and head.hash != self._last:
                    self._last = head.hash
                    yield head
        finally:
            for listener in listeners:
                listener.cancel()
            await asyncio.gather(*listeners, return_exceptions=True)

    async def _next(self) -> Head | None:
        """A head from a websocket, or after silence the polled one; None when there is none to be had."""
        if self._last is not None or self._is_waiting:
            patience = _WEBSOCKET_PATIENCE if self._connected else 1
            # Not asyncio.wait_for: up to Python 3.11 it forgets a cancellation that comes along with a head.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience * self._interval_s):
                    return await self._queue.get()
        # The very first head is polled at once; failing that, it is waited for like any other.
        self._is_waiting = True
        try:
            return await self._poll()
        except Retryable:
            # The pool has told its hook; the next interval tries again.
            return None

    async def _listen(self, provider: RpcProvider) -> None:
        wait_s = _FIRST_RECONNECT_S
        while True:
            is_connected = False
            try:
                async for head in subscribe_heads(provider):
                    if not is_connected:
                        is_connected = True
                        self._connected += 1
                        wait_s = _FIRST_RECONNECT_S
                    self._offer(head)
            except (aiohttp.ClientError, OSError, TimeoutError, PostroadError):
                if self._on_error is not None:
                    self._on_error(provider.label, "websocket")
            finally:
                self._connected -= is_connected
            await asyncio.sleep(wait_s)
            wait_s = min(_LONGEST_RECONNECT_S, 2 * wait_s)

    def _offer(self, head: Head) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(head)


async def subscribe_heads(provider: RpcProvider) -> AsyncIterator[Head]:
    """The heads of one websocket connection, until it ends.

    Raises RpcAnswerInvalid, TimeoutError, or what aiohttp raises; texts of the latter may hold the URL.
    """
    url = provider.endpoint.websocket
    assert url is not None
    async with provider.session().ws_connect(
        url, heartbeat=_HEARTBEAT_S, max_msg_size=_MAX_FRAME_BYTES, autoclose=True
    ) as socket:
        request = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
        await socket.send_str(msgspec.json.encode(request).decode())
        confirmed = _decode(await socket.receive(_SUBSCRIBE_TIMEOUT_S), provider.label)
        if confirmed is None or confirmed.id != 1 or not isinstance(confirmed.result, str):
            raise RpcAnswerInvalid(f"{provider.label} took no subscription to newHeads", "a subscription id")
        async for message in socket:
            frame = _decode(message, provider.label)
            if frame is None:
                return
            params = frame.params
            if (
                frame.method != "eth_subscription"
                or params is None
                or params.subscription != confirmed.result
            ):
                continue
            yield parse_head(params.result)


def _decode(message: aiohttp.WSMessage, label: str) -> _Frame | None:
    """A frame; None when the connection ends. Raises RpcAnswerInvalid."""
    if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
        return None
    try:
        return _FRAME.decode(message.data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise RpcAnswerInvalid(f"{label} sent a frame that is no JSON-RPC", "newHeads") from None
