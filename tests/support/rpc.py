# SPDX-License-Identifier: MIT
"""JSON-RPC that answers as a test wants: a server on loopback, and a node without any socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from relayer.chains.evm.node import Node

#: Method and parameters to a result; raise RefusalError for a JSON-RPC error, or return a `web.Response` for
#: anything at all.
Handler = Callable[[str, list[Any]], Any]


class RefusalError(Exception):
    """Answer with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


class Server:
    """What a test sees of the server: requests as they came, and the handler, which can be
    changed at any time.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[Any] = []
        self.takes_batches = True
        self.delay_s = 0.0
        self.http_url = ""
        self.ws_url = ""
        self.sockets: list[web.WebSocketResponse] = []

    @property
    def methods(self) -> list[str]:
        """The methods that were called, in order."""
        return [
            call["method"] for body in self.requests for call in (body if isinstance(body, list) else [body])
        ]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(request)
        body = json.loads(await request.text())
        await asyncio.sleep(self.delay_s)
        self.requests.append(body)
        if isinstance(body, list):
            if not self.takes_batches:
                error = {"code": -32600, "message": "batch requests are not supported"}
                return web.json_response({"jsonrpc": "2.0", "id": None, "error": error})
            answers = [self._one(call) for call in body]
            whole = next((answer for answer in answers if isinstance(answer, web.StreamResponse)), None)
            return whole or web.json_response(answers)
        answer = self._one(body)
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)

    def _one(self, call: dict[str, Any]) -> Any:
        try:
            result = self.handler(call["method"], call["params"])
        except RefusalError as refusal:
            return {"jsonrpc": "2.0", "id": call["id"], "error": refusal.error}
        if isinstance(result, web.StreamResponse):
            return result
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    async def _serve_socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            call = json.loads(message.data)
            self.requests.append(call)
            answer = self._one(call)
            if isinstance(answer, web.StreamResponse):
                break
            await socket.send_json(answer)
        return socket

    async def push(self, frame: Any) -> None:
        """Send a frame to every open websocket."""
        for socket in self.sockets:
            if not socket.closed:
                await (socket.send_str(frame) if isinstance(frame, str) else socket.send_json(frame))


@asynccontextmanager
async def serve(handler: Handler) -> AsyncIterator[Server]:
    """Serve on a free loopback port."""
    server = Server(handler)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{rest:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.http_url = f"http://127.0.0.1:{port}"
    server.ws_url = f"ws://127.0.0.1:{port}"
    try:
        yield server
    finally:
        for socket in server.sockets:
            await socket.close()
        await runner.cleanup()


def node_answering(answers: dict[str, Any]) -> Node:
    """A node without a server.

    Args:
        answers: by method, its result, an error to raise, or a function of the parameters that gives either.
    """

    async def request(method: str, params: Sequence[Any]) -> Any:
        answer = answers[method]
        if callable(answer):
            answer = answer(params)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Node("court", request)
