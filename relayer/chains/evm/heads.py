# SPDX-License-Identifier: MIT
"""New heads: by websocket where there is one, by polling where there is none or where it falls silent.

A head only wakes its consumer. It may be missing, repeated or invented, so whatever depends on
it is read again.
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
from relayer.chains.rpc_provider import OwnProvider, RpcProvider
from relayer.errors import PostroadError, Retryable, RpcAnswerInvalid

#: A head with 255 seals takes some 50 kB. More than this is an attack on our memory.
_MAX_FRAME_BYTES: Final = 1 << 20
#: A connection that died without a word is noticed by the ping that nobody answers.
_HEARTBEAT_S: Final = 15.0
#: The pause doubles while a provider refuses, up to the longest. Heads are polled for meanwhile.
_FIRST_RECONNECT_S: Final = 0.5
_LONGEST_RECONNECT_S: Final = 30.0
#: This is as long as any other question may take (RpcLimits).
_SUBSCRIBE_TIMEOUT_S: Final = 10.0
#: While a websocket is connected, the newest head is polled after this many intervals of silence.
_WEBSOCKET_PATIENCE: Final = 4
#: Only the newest head matters: a slow consumer finds one waiting, and no queue of old ones.
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


_FRAME: Final = msgspec.json.Decoder(_Frame)


class HeadFeed:
    """Heads of one chain for one consumer.

    Args:
        providers: all websockets are listened to at once; providers without one are only polled.
        poll: reads the newest head, at the start and after silence.
        interval_s: how often to poll; nobody is polled while websockets speak within that time.
        on_error: is called when a websocket fails, with the provider's label and `websocket`.
    """

    def __init__(
        self,
        providers: Sequence[RpcProvider | OwnProvider],
        poll: Callable[[], Awaitable[Head]],
        interval_s: float,
        on_error: Callable[[str, str], None] | None = None,
    ) -> None:
        self._providers = [
            provider
            for provider in providers
            if isinstance(provider, RpcProvider) and provider.urls.websocket is not None
        ]
        self._poll = poll
        self._interval_s = interval_s
        self._on_error = on_error
        self._queue: asyncio.Queue[Head] = asyncio.Queue(_QUEUE)
        self._last: bytes | None = None
        self._is_waiting = False
        self._connected = 0

    async def heads(self) -> AsyncIterator[Head]:
        """Yield heads as they come, each different from the one before.

        The iterator never ends by itself: close it, which ends the listeners.
        """
        listeners = [asyncio.create_task(self._listen(provider)) for provider in self._providers]
        try:
            while True:
                head = await self._next()
                # Several providers announce the same block, which wakes the consumer once.
                if head is not None and head.hash != self._last:
                    self._last = head.hash
                    yield head
        finally:
            for listener in listeners:
                listener.cancel()
            await asyncio.gather(*listeners, return_exceptions=True)

    async def _next(self) -> Head | None:
        """Return a head from a websocket, or the polled one after silence; None when polling failed."""
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
    """Yield the heads of one websocket connection, until it ends.

    Raises RpcAnswerInvalid, TimeoutError, and what aiohttp raises; aiohttp's texts may hold the URL.
    """
    url = provider.urls.websocket
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
    """Decode a frame; None when the connection ends. Raises RpcAnswerInvalid."""
    if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
        return None
    try:
        return _FRAME.decode(message.data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise RpcAnswerInvalid(f"{label} sent a frame that is no JSON-RPC", "newHeads") from None
