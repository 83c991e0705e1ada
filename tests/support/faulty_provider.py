# SPDX-License-Identifier: MIT
"""A provider that goes wrong: JSON-RPC over HTTP and WebSocket before an honest server, with faults by name.

A request passes through untouched until `suffer` names what goes wrong, and `heal` ends it. A fault acts
in up to three places, and most act in one:

- `whole` sees a request before any of its calls, and may answer in place of all of them, or hold them up;
- `reply` answers one call, and may ask the honest server first (`FaultyProvider.ask`);
- `frame` decides which head a WebSocket tells, from all that the honest server told so far.

So a fault lies about this one provider's words. What goes wrong with a chain itself is the devnet's
(relayer/devnet/state/faults.py).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import aiohttp
from aiohttp import web

from light_clients.hashing import keccak256
from relayer.devnet.process.ports import listen_on

Call: TypeAlias = dict[str, Any]
Reply: TypeAlias = "Callable[[FaultyProvider, Call], Awaitable[Call]]"
Whole: TypeAlias = "Callable[[web.Request, list[Call]], Awaitable[web.StreamResponse | None]]"
Frame: TypeAlias = Callable[[list[Call]], Call | None]

_GWEI: Final = 10**9
_FOR_EVER_S: Final = 3600.0
_DRIP_S: Final = 0.5
_PIECE: Final = b"x" * (1 << 16)
_NUMBER_NOBODY_REACHES: Final = 1 << 40
_SEND: Final = "eth_sendRawTransaction"


@dataclass(frozen=True)
class ProviderFault:
    """What a provider does wrong.

    Attributes:
        methods: which calls suffer; none = all.
        whole, reply, frame: where it acts (the module's head).
        times: after how many acts it ends by itself; None = when it is healed.
        refuses_sockets: WebSockets are closed, and no new one is taken.
        is_down: nobody listens at the port.
    """

    methods: frozenset[str] = frozenset()
    whole: Whole | None = None
    reply: Reply | None = None
    frame: Frame | None = None
    times: int | None = None
    refuses_sockets: bool = False
    is_down: bool = False

    def hits(self, method: str) -> bool:
        """Whether calls of this method suffer."""
        return not self.methods or method in self.methods


class FaultyProvider:
    """One provider of a chain, at a loopback port of its own. `start` it, `stop` it.

    Args:
        http_url: of the honest server.
        ws_url: of its WebSocket.
        delay_s: how far away it is: every answer waits so long.

    Attributes:
        acted: how often a fault has acted.
        held: raw transactions that it took and did not pass on, oldest first.
        stuck_at: the head that a provider is stuck at, once it is.
    """

    def __init__(self, http_url: str, ws_url: str, *, delay_s: float = 0.0) -> None:
        self._upstream_http = http_url
        self._upstream_ws = ws_url
        self._delay_s = delay_s
        self._active: list[ProviderFault] = []
        self._left: dict[ProviderFault, int] = {}
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._sockets: set[web.WebSocketResponse] = set()
        self.acted = 0
        self.held: list[str] = []
        self.stuck_at: int | None = None

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        await self._listen()

    async def stop(self) -> None:
        await self._hang_up()
        if self._session is not None:
            await self._session.close()

    async def suffer(self, *names: str) -> None:
        """Let faults act from now on, besides those that do.

        Args:
            names: keys of `FAULTS`.
        """
        faults = [FAULTS[name] for name in names]
        self.stuck_at = None
        self._left |= {fault: fault.times for fault in faults if fault.times is not None}
        self._active += faults
        if any(fault.is_down for fault in faults):
            await self._hang_up()
        if any(fault.refuses_sockets for fault in faults):
            await asyncio.gather(*(socket.close() for socket in list(self._sockets)))

    async def heal(self, *names: str) -> None:
        """End these faults."""
        ended = [FAULTS[name] for name in names]
        self._active = [fault for fault in self._active if fault not in ended]
        if self._runner is None and not any(fault.is_down for fault in self._active):
            await self._listen()

    @asynccontextmanager
    async def suffering(self, *names: str) -> AsyncIterator[None]:
        """Let faults act while the context is open."""
        await self.suffer(*names)
        try:
            yield
        finally:
            await self.heal(*names)

    async def ask(self, call: Call) -> Call:
        """Return the honest server's answer to a call."""
        answer: Call = json.loads(await self._post(json.dumps(call).encode()))
        return answer

    async def ask_result(self, method: str, *params: Any) -> Any:
        """Return the honest server's result for a method."""
        return (await self.ask({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}))[
            "result"
        ]

    # --- serving --------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/", self._serve)
        app.router.add_get("/", self._serve_socket)
        # A client that gives up ends the handler that keeps it waiting.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        sock = listen_on(self._port)
        self._port = sock.getsockname()[1]
        await web.SockSite(self._runner, sock).start()

    async def _hang_up(self) -> None:
        for socket in list(self._sockets):
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _post(self, body: bytes) -> bytes:
        assert self._session is not None
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._upstream_http, data=body, headers=headers) as answer:
            return await answer.read()

    def _take(self, method: str, place: str) -> ProviderFault | None:
        """Return the newest fault that acts on a method in a place, counted as acting once."""
        for fault in reversed(self._active):
            if getattr(fault, place) is not None and fault.hits(method) and self._left.get(fault, 1) > 0:
                if fault in self._left:
                    self._left[fault] -= 1
                self.acted += 1
                return fault
        return None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        if not self._active:
            return web.Response(body=await self._post(body), content_type="application/json")
        message = json.loads(body)
        calls: list[Call] = message if isinstance(message, list) else [message]
        for call in calls:
            fault = self._take(call["method"], "whole")
            if fault is not None and fault.whole is not None:
                instead = await fault.whole(request, calls)
                if instead is not None:
                    return instead
                break
        answers = list(await asyncio.gather(*(self._reply(call) for call in calls)))
        return web.json_response(answers if isinstance(message, list) else answers[0])

    async def _reply(self, call: Call) -> Call:
        fault = self._take(call["method"], "reply")
        if fault is None or fault.reply is None:
            return await self.ask(call)
        return await fault.reply(self, call)

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        if any(fault.refuses_sockets for fault in self._active):
            self.acted += 1
            return web.Response(status=503)
        assert self._session is not None
        socket = web.WebSocketResponse()
        async with self._session.ws_connect(self._upstream_ws, max_msg_size=0) as upstream:
            await socket.prepare(request)
            self._sockets.add(socket)
            telling = asyncio.create_task(self._tell(upstream, socket))
            try:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        await upstream.send_str(message.data)
            finally:
                self._sockets.discard(socket)
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
        return socket

    async def _tell(self, upstream: aiohttp.ClientWebSocketResponse, socket: web.WebSocketResponse) -> None:
        told: list[Call] = []
        async for message in upstream:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            frame: Call | None = json.loads(message.data)
            assert frame is not None
            if frame.get("method") == "eth_subscription":
                told.append(frame)
                fault = self._take("eth_subscribe", "frame")
                if fault is not None and fault.frame is not None:
                    frame = fault.frame(told)
            if frame is not None:
                await socket.send_str(json.dumps(frame))
        await socket.close()


# --- answers ------------------------------------------------------------------------------------------------


def _result(call: Call, value: Any) -> Call:
    return {"jsonrpc": "2.0", "id": call["id"], "result": value}


def _error(call: Call, code: int, message: str, data: Any = None) -> Call:
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return {"jsonrpc": "2.0", "id": call["id"], "error": error}


def _hash_of(call: Call) -> str:
    return "0x" + keccak256(bytes.fromhex(call["params"][0][2:])).hex()


# --- whole requests -----------------------------------------------------------------------------------------


async def _hang(_request: web.Request, _calls: list[Call]) -> None:
    await asyncio.sleep(_FOR_EVER_S)


async def _be_slow(delay_s: float, _request: web.Request, _calls: list[Call]) -> None:
    await asyncio.sleep(delay_s)


async def _drip(request: web.Request, _calls: list[Call]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(_DRIP_S)


async def _flood(pieces: int, request: web.Request, calls: list[Call]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"jsonrpc":"2.0","id":%d,"result":"' % calls[0]["id"])
    for _ in range(pieces):
        await response.write(_PIECE)
    await response.write(b'"}')
    return response


async def _status(status: int, _request: web.Request, _calls: list[Call]) -> web.Response:
    return web.Response(status=status, text="<html>not now</html>")


async def _garbage(_request: web.Request, _calls: list[Call]) -> web.Response:
    return web.Response(text="<html>502 Bad Gateway</html>", content_type="text/html")


async def _refuse_batches(_request: web.Request, calls: list[Call]) -> web.Response | None:
    if len(calls) == 1:
        return None
    error = {"code": -32600, "message": "batch requests are not supported"}
    return web.json_response({"jsonrpc": "2.0", "id": None, "error": error})


# --- single calls -------------------------------------------------------------------------------------------


async def _say(value: Any, _provider: FaultyProvider, call: Call) -> Call:
    return _result(call, value)


async def _refuse(code: int, message: str, _provider: FaultyProvider, call: Call) -> Call:
    return _error(call, code, message)


async def _reword(code: int, message: str, provider: FaultyProvider, call: Call) -> Call:
    """What the honest server refuses is refused in other words."""
    answer = await provider.ask(call)
    return _error(call, code, message) if "error" in answer else answer


async def _revert(_provider: FaultyProvider, call: Call) -> Call:
    return _error(call, 3, "execution reverted", "0x")


async def _behind(blocks: int | None, provider: FaultyProvider, call: Call) -> Call:
    """Answer as a node that is some blocks behind, or (None) that stopped at a head, without peers."""
    method, params = call["method"], list(call["params"])
    if method in {"eth_chainId", "net_version"}:
        return await provider.ask(call)
    head = provider.stuck_at
    if head is None:
        head = max(1, int(await provider.ask_result("eth_blockNumber"), 16) - (blocks or 0))
        provider.stuck_at = head if blocks is None else None
    if method == "eth_blockNumber":
        return _result(call, hex(head))
    if method == _SEND:
        # It has nobody to tell of it.
        return _result(call, _hash_of(call))
    if method == "eth_getLogs":
        query = dict(params[0])
        if int(query["fromBlock"], 16) > head:
            return _result(call, [])
        return await provider.ask(
            {**call, "params": [query | {"toBlock": hex(min(head, int(query["toBlock"], 16)))}]}
        )
    params = [hex(head) if param in ("latest", "pending") else param for param in params]
    if method == "eth_getBlockByNumber" and int(params[0], 16) > head:
        return _result(call, None)
    if method == "eth_getProof" and int(params[2], 16) > head:
        return _error(call, -32000, "header not found")
    answer = await provider.ask({**call, "params": params})
    receipt = answer.get("result") if method == "eth_getTransactionReceipt" else None
    if receipt is not None and int(receipt["blockNumber"], 16) > head:
        return _result(call, None)
    return answer


async def _count_ahead(ahead: int, provider: FaultyProvider, call: Call) -> Call:
    answer = await provider.ask(call)
    return _result(call, hex(int(answer["result"], 16) + ahead))


async def _invent_receipt(provider: FaultyProvider, call: Call) -> Call:
    receipt = {
        "transactionHash": call["params"][0],
        "blockNumber": await provider.ask_result("eth_blockNumber"),
        "blockHash": "0x" + "11" * 32,
        "gasUsed": "0x5208",
        "logs": [],
        "status": "0x1",
        "effectiveGasPrice": "0x1",
    }
    return _result(call, receipt)


async def _limit_range(most: int, provider: FaultyProvider, call: Call) -> Call:
    query = call["params"][0]
    if int(query["toBlock"], 16) - int(query["fromBlock"], 16) >= most:
        return _error(call, -32602, "invalid params: that is too wide")
    return await provider.ask(call)


async def _invent_base_fee(wei: int | None, provider: FaultyProvider, call: Call) -> Call:
    """Change the newest block's base fee, and what follows from it; None: leave it out of every block."""
    answer = await provider.ask(call)
    result = answer.get("result")
    if result is None:
        return answer
    if call["method"] == "eth_getBlockByNumber":
        if wei is None:
            result.pop("baseFeePerGas", None)
        elif call["params"][0] in ("latest", "pending"):
            result["baseFeePerGas"] = hex(wei)
    elif wei is not None and call["method"] == "eth_gasPrice":
        return _result(call, hex(wei + _GWEI))
    elif wei is not None and call["method"] == "eth_feeHistory":
        result["baseFeePerGas"] = [hex(wei)] * len(result["baseFeePerGas"])
    return answer


async def _swallow(_provider: FaultyProvider, call: Call) -> Call:
    return _result(call, _hash_of(call))


async def _limit_size(most_bytes: int, provider: FaultyProvider, call: Call) -> Call:
    size = len(call["params"][0]) // 2 - 1
    if size > most_bytes:
        return _error(call, -32000, f"oversized data: transaction size {size}, limit {most_bytes}")
    return await provider.ask(call)


async def _take_unpayable(provider: FaultyProvider, call: Call) -> Call:
    """Take what the account can't pay into the pool, as a node does that checks no balance there."""
    answer = await provider.ask(call)
    if "error" in answer and "insufficient funds" in answer["error"]["message"].lower():
        if call["params"][0] not in provider.held:
            provider.held.append(call["params"][0])
        return _result(call, _hash_of(call))
    return answer


# --- heads over WebSockets ----------------------------------------------------------------------------------


def _no_head(_told: list[Call]) -> None:
    return None


def _first_head(told: list[Call]) -> Call:
    return told[0]


def _old_head(behind: int, told: list[Call]) -> Call:
    return told[max(0, len(told) - 1 - behind)]


def _far_head(told: list[Call]) -> Call:
    newest = told[-1]["params"]
    invented = newest["result"] | {
        "number": hex(_NUMBER_NOBODY_REACHES),
        "hash": "0x" + len(told).to_bytes(32).hex(),
    }
    return told[-1] | {"params": newest | {"result": invented}}


# --- by name ------------------------------------------------------------------------------------------------

#: Refusals of a transaction as clients word them. Known by meaning or not, none may stop an account.
REFUSALS: Final[Mapping[str, tuple[int, str]]] = {
    "OldNonce": (-32010, "OldNonce, Current nonce: 22, nonce of rejected tx: 17"),
    "existing tx": (-32000, "INTERNAL_ERROR: existing tx with same hash"),
    "txpool is full": (-32000, "txpool is full"),
    "already known": (-32000, "already known"),
    "nonce too low": (-32000, "nonce too low"),
    "underpriced": (-32000, "replacement transaction underpriced"),
}

_ON_SEND: Final = frozenset({_SEND})
_ON_COUNT: Final = frozenset({"eth_getTransactionCount"})
_ON_RECEIPT: Final = frozenset({"eth_getTransactionReceipt"})
_ON_LOGS: Final = frozenset({"eth_getLogs"})
_ON_CALL: Final = frozenset({"eth_call"})
_ON_PRICE: Final = frozenset({"eth_getBlockByNumber", "eth_gasPrice", "eth_feeHistory"})
_RATE_LIMIT: Final = (-32005, "daily request count exceeded, request rate limited")

#: All that can go wrong.
FAULTS: Final[Mapping[str, ProviderFault]] = {
    "down": ProviderFault(is_down=True),
    "hangs": ProviderFault(whole=_hang),
    "hangs at sends": ProviderFault(_ON_SEND, whole=_hang),
    "drips": ProviderFault(whole=_drip),
    "slow": ProviderFault(whole=partial(_be_slow, 3.0)),
    "HTTP 429": ProviderFault(whole=partial(_status, 429)),
    "HTTP 503": ProviderFault(whole=partial(_status, 503)),
    "rate limit": ProviderFault(reply=partial(_refuse, *_RATE_LIMIT)),
    "garbage": ProviderFault(whole=_garbage),
    "huge": ProviderFault(frozenset({"eth_getBlockByNumber", "eth_getLogs"}), whole=partial(_flood, 1536)),
    "no batches": ProviderFault(whole=_refuse_batches),
    "chain id": ProviderFault(frozenset({"eth_chainId"}), reply=partial(_say, "0x1")),
    "lags 5": ProviderFault(reply=partial(_behind, 5)),
    "lags 100": ProviderFault(reply=partial(_behind, 100)),
    "stuck": ProviderFault(reply=partial(_behind, None)),
    "syncing": ProviderFault(_ON_CALL, reply=partial(_say, "0x")),
    "reverts": ProviderFault(_ON_CALL, reply=_revert),
    "log range": ProviderFault(_ON_LOGS, reply=partial(_limit_range, 5)),
    "counts ahead once": ProviderFault(_ON_COUNT, reply=partial(_count_ahead, 1000), times=1),
    "counts ahead": ProviderFault(_ON_COUNT, reply=partial(_count_ahead, 1000)),
    "counts nothing": ProviderFault(_ON_COUNT, reply=partial(_say, "0x0")),
    "no receipts": ProviderFault(_ON_RECEIPT, reply=partial(_say, None)),
    "invented receipts": ProviderFault(_ON_RECEIPT, reply=_invent_receipt),
    "no base fee": ProviderFault(_ON_PRICE, reply=partial(_invent_base_fee, None)),
    "base fee 400 gwei": ProviderFault(_ON_PRICE, reply=partial(_invent_base_fee, 400 * _GWEI)),
    "base fee 600 gwei": ProviderFault(_ON_PRICE, reply=partial(_invent_base_fee, 600 * _GWEI)),
    "tip 300 gwei": ProviderFault(
        frozenset({"eth_maxPriorityFeePerGas"}), reply=partial(_say, hex(300 * _GWEI))
    ),
    "swallows": ProviderFault(_ON_SEND, reply=_swallow),
    "swallows once": ProviderFault(_ON_SEND, reply=_swallow, times=1),
    "takes 64 kB": ProviderFault(_ON_SEND, reply=partial(_limit_size, 64 << 10)),
    "takes unpayable": ProviderFault(_ON_SEND, reply=_take_unpayable),
    "socket refused": ProviderFault(refuses_sockets=True),
    "socket silent": ProviderFault(frame=_no_head),
    "socket repeats": ProviderFault(frame=_first_head),
    "socket lags 20": ProviderFault(frame=partial(_old_head, 20)),
    "socket far ahead": ProviderFault(frame=_far_head),
    **{
        f"refuses: {name}": ProviderFault(_ON_SEND, reply=partial(_refuse, *words))
        for name, words in REFUSALS.items()
    },
    **{
        f"rewords: {name}": ProviderFault(_ON_SEND, reply=partial(_reword, *words))
        for name, words in REFUSALS.items()
    },
}
