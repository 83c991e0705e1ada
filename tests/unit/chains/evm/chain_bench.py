# SPDX-License-Identifier: MIT
"""An EvmChain over servers that answer as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from light_clients.hashing import keccak256
from relayer.chains.base import Address
from relayer.chains.evm import abi
from relayer.chains.evm.chain import EvmChain, EvmSettings
from relayer.chains.rpc_provider import ProviderUrls
from relayer.keys import Key
from tests.support.rpc import RefusalError, Server, serve
from tests.unit.chains.evm.gateway_logs import (
    GATEWAY,
)

GWEI = 10**9
GENESIS = b"\x47" * 32
KEYS = [Key("one", bytes(31) + b"\1"), Key("two", bytes(31) + b"\2")]
Answers = dict[str, Any]


def block(number: int, base_fee: int = GWEI, **changes: Any) -> dict[str, Any]:
    return {
        "number": hex(number),
        "hash": "0x" + keccak256(number.to_bytes(8)).hex(),
        "parentHash": "0x" + keccak256((number - 1).to_bytes(8)).hex() if number else "0x" + "00" * 32,
        "timestamp": hex(1_700_000_000 + number),
        "baseFeePerGas": hex(base_fee),
        "transactions": ["0x" + "11" * 32] * 3,
        **changes,
    }


def lane_word(default: int) -> str:
    words = [7, 1, 0, 0, default, 2_000_000, 4096]
    return "0x" + b"".join(map(abi.encode_word, words)).hex()


class Node:
    """A provider: `answers` maps methods to values, or to functions of the parameters."""

    def __init__(self, **answers: Any) -> None:
        self.answers: Answers = {
            "eth_chainId": "0x539",
            "eth_getBlockByNumber": lambda params: (
                {"hash": "0x" + GENESIS.hex()} if params[0] == "0x0" else block(9)
            ),
            "eth_getTransactionCount": "0x0",
            "eth_getLogs": [],
            "eth_call": lane_word(200_000),
            **answers,
        }
        self.calls: list[tuple[str, list[Any]]] = []

    def __call__(self, method: str, params: list[Any]) -> Any:
        self.calls.append((method, params))
        answer = self.answers[method]
        return answer(params) if callable(answer) else answer

    def asked(self, method: str) -> list[list[Any]]:
        return [params for name, params in self.calls if name == method]


def refuse(code: int, message: str, data: Any = None) -> Callable[[list[Any]], Any]:
    def answer(_: list[Any]) -> Any:
        raise RefusalError(code, message, data)

    return answer


class ChainBench:
    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.errors: list[tuple[str, str]] = []
        self.servers: list[Server] = []

    async def chain(self, *nodes: Node, websockets: bool = False, **changes: Any) -> EvmChain:
        providers = []
        for node in nodes:
            server = await self._stack.enter_async_context(serve(node))
            self.servers.append(server)
            providers.append(ProviderUrls(server.http_url, server.ws_url if websockets else None))
        settings = EvmSettings(
            **{
                "name": "it",
                "chain_id": 1337,
                "gateway": Address(GATEWAY),
                "genesis_hash": GENESIS,
                "providers": tuple(providers),
                "poll_interval_s": 0.05,
                **changes,
            }
        )
        chain = EvmChain(settings, KEYS, lambda *told: self.errors.append(told))
        self._stack.push_async_callback(chain.close)
        return chain


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that nobody signals."""
    while not is_so():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
