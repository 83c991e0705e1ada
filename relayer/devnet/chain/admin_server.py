# SPDX-License-Identifier: MIT
"""The admin RPC of a local chain, for whoever is in another process: faults, mining, and what its kind adds.

It is off by default.

It listens on a loopback port of its own, and its path is a secret, so that no web page that somebody has open
can reach it.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from aiohttp import web

from relayer.devnet.errors import DevnetError
from relayer.devnet.process.ports import listen_on
from relayer.devnet.rpc.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MalformedRequest,
    RpcError,
    RpcRequest,
    parse,
)

AdminMethod: TypeAlias = Callable[..., Awaitable[Any]]


class AdminServer:
    """One chain's admin RPC.

    Args:
        methods: what it answers, by name. They get the request's parameters, decoded, and return what can be
            JSON; errors of theirs that callers can mend are DevnetError, TypeError, ValueError and RpcError.
    """

    def __init__(self, methods: Mapping[str, AdminMethod]) -> None:
        self._methods = methods
        self._path = "/" + secrets.token_urlsafe(16)
        self._port = 0
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """Where requests are posted to."""
        return f"http://127.0.0.1:{self._port}{self._path}"

    async def start(self) -> None:
        """Serve on a free port. Raises ChainStartError."""
        sock = listen_on(0)
        self._port = sock.getsockname()[1]
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.5)
        await self._runner.setup()
        await web.SockSite(self._runner, sock).start()

    async def stop(self) -> None:
        """Stop serving. Safe to call twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        # The path is a secret, so it is compared in a time that does not tell how much of a guess was right.
        if request.method != "POST" or not hmac.compare_digest(request.path.encode(), self._path.encode()):
            return web.Response(status=404)
        parsed = parse(await request.read(), 0)
        answers = [await self._answer(call) for call in parsed.calls]
        body = b"[%b]" % b",".join(answers) if parsed.is_batch else answers[0]
        return web.Response(body=body, content_type="application/json")

    async def _answer(self, call: RpcRequest | MalformedRequest) -> bytes:
        if isinstance(call, MalformedRequest):
            return call.answer
        handler = self._methods.get(call.method)
        if handler is None:
            known = ", ".join(sorted(self._methods))
            return call.error(METHOD_NOT_FOUND, f"{call.method[:80]}; expected one of {known}")
        try:
            result = await handler(*(msgspec.json.decode(param) for param in call.params))
        except DevnetError as error:
            return call.error(INVALID_PARAMS, str(error))
        except (TypeError, ValueError, RpcError) as error:
            return call.error(INVALID_PARAMS, f"parameters that {call.method} can't use: {error}")
        except OSError as error:
            return call.error(INTERNAL_ERROR, str(error))
        return call.result(msgspec.json.encode(result))


def read_address(text: str) -> bytes:
    """Return an address from a request. Raises ValueError."""
    address = b""
    with contextlib.suppress(ValueError):
        address = bytes.fromhex(text.removeprefix("0x"))
    if len(address) != 20:
        raise ValueError(f"the address {text[:60]!r}; expected 20 bytes as 0x-hex")
    return address
