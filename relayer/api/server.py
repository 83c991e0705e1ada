# SPDX-License-Identifier: MIT
"""The server's life, and what every request goes through on its way to a handler and back."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog
from aiohttp import hdrs, web

from relayer.api.access import answer_preflight, check_host, check_token, names_of, read_token, share
from relayer.api.params import read_params
from relayer.api.problem import RequestRefused, answer, from_http
from relayer.api.route import JSON, Asked, Relayer, Route, Served
from relayer.api.table import ROUTES
from relayer.config import ApiConfig
from relayer.errors import ConfigError
from relayer.views.encoding import to_json

#: No request needs a body; what clients send all the same has this many bytes at most.
MOST_BODY_BYTES: Final = 65_536
#: Of the request's first line, and of each of its headers.
_MOST_LINE_BYTES: Final = 8_190
#: Requests at work. Streams count by themselves.
MOST_REQUESTS: Final = 64
MOST_STREAMS: Final = 32
_REQUEST_S: Final = 30.0
_KEEP_ALIVE_S: Final = 75.0
_END_S: Final = 2.0
#: As many reads of the journal run at once; the rest of the machine is the relayer's.
_THREADS: Final = 2
_HEADERS: Final[Mapping[str, str]] = {
    hdrs.CACHE_CONTROL: "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

_Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


def require_free(config: ApiConfig) -> None:
    """Raise ConfigError where nothing could listen at the configured address."""
    if config.address is None:
        return
    host, port = config.address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        with socket.create_server(address[:2], family=family):
            return
    except OSError as error:
        raise _taken(host, port, error) from error


def _taken(host: str, port: int, error: OSError) -> ConfigError:
    # Python adds in parentheses what is said already.
    reason = str(error.strerror).partition(" (")[0]
    return ConfigError(
        f"the API can't be served on {host}:{port}: {reason}",
        "a free address of this machine",
        'Correct api.listen, or set it to "" for none',
    )


class ApiServer:
    """Serves a relayer over HTTP. `start` once, `close` in any case.

    Args:
        relayer: what is shown.
        config: where, and to whom.
        directory: what a relative `token_file` counts from.
        environment: where `token_env` is looked up.
    """

    def __init__(
        self,
        relayer: Relayer,
        config: ApiConfig,
        directory: Path = Path(),
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._config = config
        self._directory = directory
        self._environment = environment
        threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="api")
        self._served = Served(relayer, threads, asyncio.Event(), asyncio.Semaphore(MOST_STREAMS))
        self._names = names_of(config)
        self._token: bytes | None = None
        self._running = 0
        self._runner: web.AppRunner | None = None
        self._log = structlog.get_logger()

    async def start(self) -> None:
        """Listen, where an address is configured.

        Raises:
            ConfigError: the address can't be had, or there is no token where there should be one.
        """
        self._token = read_token(self._config, self._directory, self._environment)
        if self._config.address is None:
            return
        host, port = self._config.address
        app = web.Application(middlewares=[self._guard], client_max_size=MOST_BODY_BYTES)
        app.on_response_prepare.append(self._add_headers)
        for route in ROUTES:
            handler = functools.partial(self._handle, route)
            if route.is_write:
                app.router.add_post(route.path, handler)
            else:
                app.router.add_get(route.path, handler, allow_head=route.media == JSON)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            max_line_size=_MOST_LINE_BYTES,
            max_field_size=_MOST_LINE_BYTES,
            keepalive_timeout=_KEEP_ALIVE_S,
            shutdown_timeout=_END_S,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise _taken(host, port, error) from error
        self._log.info("the API is served", address=self._config.listen, writes=self._token is not None)

    async def close(self) -> None:
        """Stop listening and end what is at work; idempotent."""
        self._served.closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._served.threads.shutdown(wait=False, cancel_futures=True)

    # --- a request's way ------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Next) -> web.StreamResponse:
        try:
            check_host(request, self._names)
            preflight = answer_preflight(request, self._config.cors_origins)
            if preflight is not None:
                return preflight
            return await handler(request)
        except RequestRefused as refused:
            return answer(refused)
        except web.HTTPException as error:
            return answer(from_http(error))
        except TimeoutError:
            return answer(_too_slow())
        except Exception as error:  # noqa: BLE001  whatever it is, the client gets an answer
            # The log alone has what it was: its text may name what is none of the client's business.
            self._log.exception("a request failed", path=request.path, error=repr(error))
            return answer(_defect())

    async def _handle(self, route: Route, request: web.Request) -> web.StreamResponse:
        if not route.is_versioned:
            return _respond(route, await route.handler(Asked(self._served, route.params(), request)))
        if route.is_write:
            check_token(request, self._token)
            # Nothing is asked for in a body, but one that is too large is refused.
            await request.read()
        asked = Asked(self._served, read_params(route.params, request), request)
        if route.media != JSON:
            # A stream lasts, so it has a limit of its own.
            return _respond(route, await route.handler(asked))
        if self._running >= MOST_REQUESTS:
            raise _too_many()
        self._running += 1
        try:
            async with asyncio.timeout(_REQUEST_S):
                return _respond(route, await route.handler(asked))
        finally:
            self._running -= 1

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        for name, value in _HEADERS.items():
            # A handler may know better.
            response.headers.setdefault(name, value)
        share(request, response, self._config.cors_origins)


def _respond(route: Route, given: object) -> web.StreamResponse:
    if isinstance(given, web.StreamResponse):
        return given
    return web.Response(
        body=to_json(given).encode(), status=route.status, headers={hdrs.CONTENT_TYPE: route.media}
    )


def _too_many() -> RequestRefused:
    return RequestRefused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too_many_requests",
        f"{MOST_REQUESTS} requests are at work already.",
        "Ask again in a second, and for less at once.",
        {hdrs.RETRY_AFTER: "1"},
    )


def _too_slow() -> RequestRefused:
    return RequestRefused(
        HTTPStatus.GATEWAY_TIMEOUT,
        "too_slow",
        f"The answer was not ready in {_REQUEST_S:g} s.",
        "Ask for less, or later.",
    )


def _defect() -> RequestRefused:
    return RequestRefused(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "defect",
        "The request failed by a defect of this program.",
        "Its log tells more: please report it.",
    )
