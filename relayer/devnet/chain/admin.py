# SPDX-License-Identifier: MIT
"""The admin RPC of a local chain: faults, mining and what a consensus adds for whoever is in another process. Off by default.

It listens on a loopback port of its own, and its path is a secret, so that no web page that somebody has open can reach it.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from relayer.devnet.errors import DevnetError
from relayer.devnet.process.anvil import listen_on
from relayer.devnet.rpc.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Call,
    Malformed,
    RpcError,
    parse,
)
from relayer.devnet.state.faults import read_fault

if TYPE_CHECKING:
    from relayer.devnet.chain.anvil_chain import AnvilChain


class AdminServer:
    """One chain's admin RPC."""

    def __init__(self, chain: AnvilChain[Any]) -> None:
        self._chain = chain
        self._path = "/" + secrets.token_urlsafe(16)
        self._port = 0
        self._runner: web.ServerRunner | None = None
        self._table: dict[str, Callable[..., Awaitable[Any]]] = {
            "postroad_fault": self._fault,
            "postroad_stopFault": self._stop_fault,
            "postroad_clearFaults": self._clear_faults,
            "postroad_faults": self._faults,
            "postroad_mine": self._mine,
            "postroad_fund": self._fund,
            "postroad_dropTransactions": self._drop_transactions,
            **chain._admin_methods(),
        }

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
        if request.method != "POST" or not hmac.compare_digest(request.path.encode(), self._path.encode()):
            return web.Response(status=404)
        parsed = parse(await request.read(), 0)
        answers = [await self._answer(call) for call in parsed.calls]
        body = b"[%b]" % b",".join(answers) if parsed.is_batch else answers[0]
        return web.Response(body=body, content_type="application/json")

    async def _answer(self, call: Call | Malformed) -> bytes:
        if isinstance(call, Malformed):
            return call.answer
        handler = self._table.get(call.method)
        if handler is None:
            known = ", ".join(sorted(self._table))
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

    async def _fault(self, value: dict[str, Any]) -> int:
        return self._chain.faults.start(read_fault(value))

    async def _stop_fault(self, number: int) -> None:
        self._chain.faults.stop(number)

    async def _clear_faults(self) -> None:
        self._chain.faults.clear()

    async def _faults(self) -> dict[str, Any]:
        active = self._chain.faults.active().items()
        return {str(number): msgspec.to_builtins(fault) for number, fault in active}

    async def _mine(self, count: int = 1) -> str:
        return hex((await self._chain.mine(count)).number)

    async def _fund(self, address: str, amount: str) -> None:
        await self._chain.fund(read_address(address), int(amount, 16))

    async def _drop_transactions(self) -> None:
        await self._chain.drop_transactions()


def read_address(text: str) -> bytes:
    """An address from a request. Raises ValueError."""
    address = b""
    with contextlib.suppress(ValueError):
        address = bytes.fromhex(text.removeprefix("0x"))
    if len(address) != 20:
        raise ValueError(f"the address {text[:60]!r}; expected 20 bytes as 0x-hex")
    return address
