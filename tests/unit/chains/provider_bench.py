# SPDX-License-Identifier: MIT
"""Servers that answer as a test wants, and a provider or a pool of providers over them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from aiohttp import web

from relayer.chains.rpc_pool import RpcPool
from relayer.chains.rpc_provider import ProviderUrls, RpcLimits, RpcProvider
from relayer.retry import RetryPolicy
from tests.support.rpc import Handler, RefusalError, Server, serve

ONCE = RetryPolicy(attempts=1)
SECRET = "s3cr3t-k3y-of-ours"


def echo(method: str, params: list[Any]) -> Any:
    return [method, params]


def refuse(code: int, message: str, data: Any = None) -> Handler:
    def handler(_: str, __: list[Any]) -> Any:
        raise RefusalError(code, message, data)

    return handler


def raw(text: str, status: int = 200) -> Handler:
    return lambda _, __: web.Response(text=text, status=status)


class ProviderBench:
    """Servers and a pool over them; closed with the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.errors: list[tuple[str, str]] = []

    async def server(self, handler: Handler = echo) -> Server:
        return await self._stack.enter_async_context(serve(handler))

    def pool(self, *servers: Server, path: str = "", **options: Any) -> RpcPool:
        endpoints = [ProviderUrls(server.http_url + path, server.ws_url + path) for server in servers]
        pool = RpcPool(
            endpoints, on_error=lambda *told: self.errors.append(told), **({"policy": ONCE} | options)
        )
        self._stack.push_async_callback(pool.close)
        return pool

    def provider(self, server: Server, **limits: Any) -> RpcProvider:
        provider = RpcProvider(ProviderUrls(server.http_url), "it", RpcLimits(**limits))
        self._stack.push_async_callback(provider.close)
        return provider


def keep(value: Any) -> Any:
    return value
