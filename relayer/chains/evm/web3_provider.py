# SPDX-License-Identifier: MIT
"""A web3.py object that a developer has, as one more distrusted provider of a chain.

Its provider is asked directly, below its middleware, so that nothing rewrites what is to be verified. Nothing
of web3 is imported for it: whoever has such an object has done that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from relayer.chains.http import clean_text
from relayer.chains.rpc_provider import RpcCall, read_revert_data
from relayer.errors import ConfigError, RpcAnswerInvalid, RpcRefused, RpcUnavailable

#: web3 has a limit of its own, which its owner may have raised.
_TIMEOUT_S: Final = 30.0


class Web3Provider:
    """Asks a chain through an `AsyncWeb3` or a `Web3`, which its owner closes.

    Args:
        web3: the object.
        label: names it in errors.

    Raises:
        ConfigError: it is neither.
    """

    def __init__(self, web3: object, label: str) -> None:
        provider = getattr(web3, "provider", None)
        ask = getattr(provider, "make_request", None)
        if not callable(ask):
            raise ConfigError(f"a {type(web3).__name__} as {label}", "an AsyncWeb3 or a Web3 with a provider")
        self.label = label
        self._ask = ask
        self._is_async = bool(getattr(provider, "is_async", False))

    async def call(self, method: str, params: Sequence[Any]) -> bytes:
        """Make one call, and return its result as undecoded JSON.

        Raises RpcUnavailable, RpcAnswerInvalid, RpcRefused.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                if self._is_async:
                    answer = await self._ask(method, list(params))
                else:
                    answer = await asyncio.to_thread(self._ask, method, list(params))
        except Exception as error:  # noqa: BLE001  its owner chose the provider, and may have written it
            # What its text says may hold the URL, and with it a credential.
            raise RpcUnavailable(f"{self.label} failed with {type(error).__name__}", "an answer") from None
        return self._read(answer)

    async def batch(self, calls: Sequence[RpcCall]) -> list[bytes]:
        """Make several calls, one after the other. Raises the first error, as `call`."""
        return [await self.call(method, params) for method, params in calls]

    async def close(self) -> None:
        """Do nothing: its owner closes it."""

    def _read(self, answer: Any) -> bytes:
        if not isinstance(answer, dict):
            raise RpcAnswerInvalid(f"{self.label} answered a {type(answer).__name__}", "a JSON-RPC response")
        refusal = answer.get("error")
        if refusal is not None:
            told = refusal if isinstance(refusal, dict) else {"message": str(refusal)}
            code = told.get("code")
            raise RpcRefused(
                code if isinstance(code, int) else 0,
                clean_text(str(told.get("message", ""))),
                data=read_revert_data(told.get("data")),
            )
        if "result" not in answer:
            raise RpcAnswerInvalid(f"{self.label} answered neither a result nor an error", "one of them")
        try:
            return msgspec.json.encode(answer["result"])
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
            raise RpcAnswerInvalid(f"{self.label} answered what is no JSON", "JSON") from None
