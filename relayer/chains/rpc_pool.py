# SPDX-License-Identifier: MIT
"""Several JSON-RPC providers of one chain: health-scored, with failover.

No answer is believed; some are checked here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec

from relayer.chains.provider_pool import (
    DEFAULT_POLICY,
    Answer,
    OnRpcError,
    ProviderHealth,
    ProviderPool,
    label_urls,
)
from relayer.chains.rpc_provider import ProviderUrls, RpcCall, RpcLimits, RpcProvider
from relayer.errors import ConfigError, PostroadError, RangeRefused, RpcAnswerInvalid, RpcRefused
from relayer.retry import RetryPolicy

__all__ = ["DEFAULT_LIMITS", "DEFAULT_POLICY", "Answer", "OnRpcError", "ProviderHealth", "RpcPool"]

T = TypeVar("T")

_REVERT_CODE: Final = 3
_METHOD_MISSING: Final = frozenset({-32601, -32004})
_REVERT_WORDS: Final = ("revert",)

DEFAULT_LIMITS = RpcLimits()


class RpcPool:
    """The providers of one chain.

    `probe(call)`, when given, is run once on every provider before its first use, with that provider's own
    call; it raises WrongChain when the provider serves another chain, which excludes it for good.
    """

    def __init__(
        self,
        endpoints: Sequence[ProviderUrls],
        *,
        limits: RpcLimits = DEFAULT_LIMITS,
        policy: RetryPolicy = DEFAULT_POLICY,
        on_error: OnRpcError | None = None,
        probe: Callable[[Callable[[str, Sequence[Any]], Awaitable[bytes]]], Awaitable[None]] | None = None,
    ) -> None:
        if not endpoints:
            raise ConfigError("no providers", "at least one RPC URL", "Add one to the chain's rpc list.")
        labels = label_urls([endpoint.http for endpoint in endpoints])
        self._pool = ProviderPool(
            [RpcProvider(endpoint, label, limits) for endpoint, label in zip(endpoints, labels, strict=True)],
            policy=policy,
            on_error=on_error,
            probe=None if probe is None else lambda provider: probe(provider.call),
        )

    @property
    def providers(self) -> tuple[RpcProvider, ...]:
        """All of them, in the configured order."""
        return self._pool.providers

    def health(self) -> tuple[ProviderHealth, ...]:
        """How each provider does, in the configured order."""
        return self._pool.health()

    def blame(self, provider: str, kind: str = "invalid") -> None:
        """Charge a provider for an answer that turned out to be wrong only later."""
        self._pool.blame(provider, kind)

    async def close(self) -> None:
        """Close all connections; idempotent."""
        await self._pool.close()

    async def call(
        self,
        method: str,
        params: Sequence[Any],
        check: Callable[[Any], T],
        *,
        answer_type: Any = Any,
    ) -> T:
        """One call. `check` turns the decoded result into what the caller wants, or raises RpcAnswerInvalid,
        Rejection or NotFoundYet, and then the next provider is asked.

        Raises:
            RpcRefused: a revert, which every provider would repeat.
            NotFoundYet: no provider has it.
            ChainUnavailable: no provider gave a usable answer.
            WrongChain: all providers serve another chain.
        """
        return (await self.ask(method, params, check, answer_type=answer_type)).value

    async def ask(
        self,
        method: str,
        params: Sequence[Any],
        check: Callable[[Any], T],
        *,
        answer_type: Any = Any,
        exclude: frozenset[str] = frozenset(),
        range_is_final: bool = True,
    ) -> Answer[T]:
        """As `call`, telling who answered; providers in `exclude` are not asked. Where a smaller range could
        be asked for, `range_is_final=False` raises RangeRefused at once instead of asking the next provider.
        """
        decode = _decoder(answer_type)

        async def once(provider: RpcProvider) -> T:
            result = await provider.call(method, params)
            value: T = check(_decode(decode, result, provider.label))
            return value

        return await self._pool.anyone(
            method,
            once,
            exclude=exclude,
            is_final=lambda error: _is_final(error, range_is_final=range_is_final),
        )

    async def batch(
        self,
        calls: Sequence[RpcCall],
        check: Callable[[list[Any]], T],
        *,
        answer_type: Any = Any,
    ) -> T:
        """Several calls answered by one provider, with one check over all their results. Raises as `call`."""
        if not calls:
            return check([])
        decode = _decoder(answer_type)

        async def once(provider: RpcProvider) -> T:
            results = await provider.batch(calls)
            value: T = check([_decode(decode, result, provider.label) for result in results])
            return value

        return (await self._pool.anyone(calls[0][0], once, is_final=_is_final)).value

    async def everyone(self, method: str, params: Sequence[Any]) -> list[Answer[Any] | PostroadError]:
        """The same call to all providers at once; each one's decoded result or error,
        in the configured order.
        """
        decode = _decoder(Any)

        async def once(provider: RpcProvider) -> Any:
            return _decode(decode, await provider.call(method, params), provider.label)

        return await self._pool.everyone(once)


def _is_final(error: RpcRefused, *, range_is_final: bool = True) -> bool:
    """Whether asking again or elsewhere would not change it: a revert,
    or a range that the caller makes smaller.
    """
    if isinstance(error, RangeRefused):
        return not range_is_final
    return _is_revert(error)


def _is_revert(error: RpcRefused) -> bool:
    if error.code in _METHOD_MISSING:
        return False
    if error.code == _REVERT_CODE or error.data:
        return True
    return any(word in error.message.lower() for word in _REVERT_WORDS)


@lru_cache(maxsize=64)
def _decoder(answer_type: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(answer_type).decode


def _decode(decode: Callable[[bytes], Any], result: bytes, label: str) -> Any:
    try:
        return decode(result)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # msgspec says the path and the types, never the value.
        raise RpcAnswerInvalid(f"{label} answered another shape ({error})", "the method's result") from None
