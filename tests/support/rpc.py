# SPDX-License-Identifier: MIT
"""A JSON-RPC server on loopback that answers as a test wants it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Handler = Callable[[str, list[Any]], Any]
"""Method and parameters to a result; raise RefusalError for a JSON-RPC error, or return a `web.Response` for anything at all."""


class RefusalError(Exception):
    """Answer with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


class Server:
    """What a test sees of the server: requests as they came, and the handler, which can be changed at any time."""

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
            whole = next((each for each in answers if isinstance(each, web.StreamResponse)), None)
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
