# SPDX-License-Identifier: MIT
"""The server that clients of a local chain talk to: JSON-RPC over HTTP and WebSocket on one loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self

from aiohttp import StreamReader, WSMsgType, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from relayer.devnet.rpc.jsonrpc import Call, Malformed, Parsed, parse
from relayer.devnet.rpc.logs import LogSource
from relayer.devnet.rpc.methods import Methods, Session
from relayer.devnet.rpc.subscriptions import Listener, Publisher
from relayer.devnet.state.faults import DropConnections, Fault, Faults, RpcErrors, SlowAnswers

MAX_REQUEST_BYTES: Final = 32 << 20
# Calls of one WebSocket, or of one batch, that are worked on at the same time.
MAX_PARALLEL: Final = 64
_SHUTDOWN_S: Final = 0.5


class _Dropped(Exception):  # noqa: N818  a fault at work, not an error
    """The connection is to break instead of answering."""


class _HttpStatus(Exception):  # noqa: N818  as above
    """An HTTP status instead of the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RpcServer:
    """One RPC port of a chain.

    A chain may have several, as it has several providers in life; each fails by itself.
    """

    def __init__(
        self,
        methods: Methods,
        logs: LogSource,
        publisher: Publisher[Any],
        faults: Faults,
        head: Callable[[], int],
    ) -> None:
        self.methods = methods
        self.faults = faults
        self._logs = logs
        self._publisher = publisher
        self._head = head
        self._runner: web.ServerRunner | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """Of 127.0.0.1."""
        return self._port

    @property
    def http_url(self) -> str:
        """Where JSON-RPC is posted to."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        """Where WebSockets are opened."""
        return f"ws://127.0.0.1:{self._port}"

    async def start(self, sock: socket.socket) -> None:
        """Serve on a listening socket."""
        self._port = sock.getsockname()[1]
        self.faults.started = self._on_fault
        server = web.Server(self._handle, request_factory=_request, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        self._runner = runner
        await web.SockSite(runner, sock).start()

    async def stop(self) -> None:
        """Stop serving and break what is still open. Safe to call twice."""
        self._drop_sockets()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def answer(self, body: bytes, session: Session | None = None) -> bytes:
        """Return the answer to a JSON-RPC message, batches included."""
        return await self._answer(parse(body, self._head()), session)

    async def _answer(self, parsed: Parsed, session: Session | None) -> bytes:
        if not parsed.is_batch:
            return await self._answer_one(parsed.calls[0], session)
        if len(parsed.calls) == 1:
            return b"[%b]" % await self._answer_one(parsed.calls[0], session)
        slots = asyncio.Semaphore(MAX_PARALLEL)

        async def one(call: Call | Malformed) -> bytes:
            async with slots:
                return await self._answer_one(call, session)

        return b"[%b]" % b",".join(await asyncio.gather(*map(one, parsed.calls)))

    async def _answer_one(self, call: Call | Malformed, session: Session | None) -> bytes:
        if isinstance(call, Malformed):
            return call.answer
        if self.faults:
            instead = await self._suffer(call)
            if instead is not None:
                return instead
        return await self.methods.answer(call, session)

    async def _suffer(self, call: Call) -> bytes | None:
        faults = self.faults
        if (slow := faults.take_answer(SlowAnswers, call.method)) is not None:
            await asyncio.sleep(slow.delay_s)
        if faults.take_answer(DropConnections, call.method) is not None:
            raise _Dropped
        if (refusal := faults.take_answer(RpcErrors, call.method)) is not None:
            if refusal.http_status is not None:
                raise _HttpStatus(refusal.http_status)
            return call.error(refusal.code, refusal.message)
        return None

    def _on_fault(self, fault: Fault) -> None:
        if isinstance(fault, DropConnections) and not fault.methods:
            self._drop_sockets()

    def _drop_sockets(self) -> None:
        for listener in list(self._publisher.listeners):
            listener.abort()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET" and request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(request)
        if request.method != "POST":
            return web.Response(
                status=405, text="POST JSON-RPC here, or open a WebSocket.\n", headers={"Allow": "POST"}
            )
        try:
            body = await self.answer(await request.read())
        except _Dropped:
            return _break(request)
        except _HttpStatus as instead:
            return web.Response(status=instead.status, text="a fault of the devnet\n")
        return web.Response(body=body, content_type="application/json")

    async def _serve_socket(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.faults and self.faults.take_answer(DropConnections, "") is not None:
            return _break(request)
        ws = web.WebSocketResponse(compress=False, max_msg_size=MAX_REQUEST_BYTES)
        await ws.prepare(request)
        listener = Listener(ws, request.transport, self._logs)
        self._publisher.listeners.add(listener)
        slots = asyncio.Semaphore(MAX_PARALLEL)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._publisher.listeners.discard, listener)
            tasks = await stack.enter_async_context(_Tasks())
            tasks.start(listener.run())
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    await slots.acquire()
                    tasks.start(self._answer_socket(message.data.encode(), listener, slots))
        return ws

    async def _answer_socket(self, body: bytes, listener: Listener, slots: asyncio.Semaphore) -> None:
        try:
            listener.send(await self.answer(body, listener))
        except (_Dropped, _HttpStatus):
            # A WebSocket has no statuses: a provider that refuses service hangs up.
            listener.abort()
        finally:
            slots.release()


class _Tasks:
    """Tasks that end with a block."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_REQUEST_BYTES)


def _break(request: web.BaseRequest) -> web.StreamResponse:
    if isinstance(request.transport, asyncio.Transport):
        request.transport.abort()
    # Nobody is left to read it, but the server wants something to return.
    return web.Response(status=503)
