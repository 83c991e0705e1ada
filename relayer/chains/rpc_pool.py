# SPDX-License-Identifier: MIT
"""Several JSON-RPC providers of one chain, scored by health, with failover.

A `check` given with a question decides whether an answer is good; nothing else here judges answers.
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
from relayer.chains.rpc_provider import OwnProvider, ProviderUrls, RpcCall, RpcLimits, RpcProvider
from relayer.errors import ConfigError, PostroadError, RangeRefused, RpcAnswerInvalid, RpcRefused
from relayer.retry import RetryPolicy

__all__ = [
    "DEFAULT_LIMITS",
    "DEFAULT_POLICY",
    "Answer",
    "OnRpcError",
    "ProviderHealth",
    "RpcPool",
    "is_method_missing",
]

T = TypeVar("T")

#: What a node answers to a call that reverts, by the convention of Geth.
_REVERT_CODE: Final = 3
#: "Method not found" and "method not supported": another provider may have it, whatever the text says.
_METHOD_MISSING: Final = frozenset({-32601, -32004})
_REVERT_WORDS: Final = ("revert",)

DEFAULT_LIMITS: Final = RpcLimits()

#: How long others are waited for once one has answered what all were asked. A provider that hangs must not
#: hold up those who answer.
_RACE_PATIENCE_S: Final = 3.0


class RpcPool:
    """The providers of one chain.

    Args:
        sources: URLs of each provider, or a connection to it, the preferred one first. Raises ConfigError
            when there is none.
        limits: what one provider may cost us.
        policy: how often a round in which every provider failed is repeated.
        on_error: is told of every failure.
        probe: is run once on every provider before its first use, with that provider's own `call`. It raises
            WrongChain when the provider serves another chain, which excludes the provider for good.
    """

    def __init__(
        self,
        sources: Sequence[ProviderUrls | OwnProvider],
        *,
        limits: RpcLimits = DEFAULT_LIMITS,
        policy: RetryPolicy = DEFAULT_POLICY,
        on_error: OnRpcError | None = None,
        probe: Callable[[Callable[[str, Sequence[Any]], Awaitable[bytes]]], Awaitable[None]] | None = None,
    ) -> None:
        if not sources:
            raise ConfigError("no providers", "at least one RPC URL", "Add one to the chain's rpc list.")
        urls = [source for source in sources if isinstance(source, ProviderUrls)]
        labels = iter(label_urls([provider.http for provider in urls]))
        self._timeout_s = limits.timeout_s
        self._pool: ProviderPool[RpcProvider | OwnProvider] = ProviderPool(
            [
                RpcProvider(source, next(labels), limits) if isinstance(source, ProviderUrls) else source
                for source in sources
            ],
            policy=policy,
            on_error=on_error,
            probe=None if probe is None else lambda provider: probe(provider.call),
        )

    @property
    def providers(self) -> tuple[RpcProvider | OwnProvider, ...]:
        """All of them, in the configured order."""
        return self._pool.providers

    def health(self) -> tuple[ProviderHealth, ...]:
        """How well each provider does, in the configured order."""
        return self._pool.health()

    def blame(self, provider: str, kind: str = "invalid") -> None:
        """Charge a provider, by its label, for an answer that turned out to be wrong only later."""
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
        """Call a method of the healthiest provider whose answer passes `check`.

        Args:
            method: of JSON-RPC.
            params: ready for JSON.
            check: turns the decoded result into what is returned. Where it raises RpcAnswerInvalid, Rejection
                or NotFoundYet, the next provider is asked.
            answer_type: what the result is decoded as, by msgspec.

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
        missing_method_is_final: bool = False,
    ) -> Answer[T]:
        """Call a method as `call` does, and tell who answered.

        Args:
            method: of JSON-RPC.
            params: ready for JSON.
            check: as for `call`.
            answer_type: as for `call`.
            exclude: labels of providers that are not asked.
            range_is_final: whether the range asked for cannot be made smaller. Where it can, a provider that
                refuses the range makes RangeRefused at once, and no other provider is asked.
            missing_method_is_final: whether one provider's word that the method does not exist is enough,
                which then raises RpcRefused.
        """
        decode = _decoder(answer_type)

        async def once(provider: RpcProvider | OwnProvider) -> T:
            result = await provider.call(method, params)
            value: T = check(_decode(decode, result, provider.label))
            return value

        return await self._pool.anyone(
            method,
            once,
            exclude=exclude,
            is_final=lambda error: (
                is_method_missing(error)
                if missing_method_is_final
                else _is_final(error, range_is_final=range_is_final)
            ),
        )

    async def pass_on(self, method: str, params: Sequence[Any]) -> Any:
        """Return the healthiest provider's answer to any method, decoded and not judged.

        A refusal is an answer too: RpcRefused is raised for the first one, unless another provider may have a
        method that this one lacks. Raises ChainUnavailable and WrongChain as `call`.
        """
        decode = _decoder(Any)

        async def once(provider: RpcProvider | OwnProvider) -> Any:
            return _decode(decode, await provider.call(method, params), provider.label)

        answer = await self._pool.anyone(method, once, is_final=lambda error: not is_method_missing(error))
        return answer.value

    async def batch(
        self,
        calls: Sequence[RpcCall],
        check: Callable[[list[Any]], T],
        *,
        answer_type: Any = Any,
    ) -> T:
        """Make several calls of one provider, with one check over all their results. Raises as `call`."""
        if not calls:
            return check([])
        decode = _decoder(answer_type)

        async def once(provider: RpcProvider | OwnProvider) -> T:
            results = await provider.batch(calls)
            value: T = check([_decode(decode, result, provider.label) for result in results])
            return value

        return (await self._pool.anyone(calls[0][0], once, is_final=_is_final)).value

    async def everyone(self, method: str, params: Sequence[Any]) -> list[Answer[Any] | PostroadError]:
        """Make one call of all providers at once.

        Returns:
            The decoded result or the error of each provider, in the configured order.
        """
        decode = _decoder(Any)

        async def once(provider: RpcProvider | OwnProvider) -> Any:
            return _decode(decode, await provider.call(method, params), provider.label)

        return await self._pool.everyone(once)

    async def race(
        self,
        method: str,
        params: Sequence[Any],
        check: Callable[[Any], T],
        is_enough: Callable[[T], bool],
        *,
        answer_type: Any = Any,
    ) -> list[tuple[str, Answer[T] | PostroadError]]:
        """Make one call of all providers at once, and wait until an answer that passed `check` is enough.

        Slower providers are still asked to the end. Where no answer is enough, all are waited for, but for
        those who take some seconds longer than another one.

        Returns:
            The label of each provider that answered or failed, and what came of it, in the configured order.
        """
        decode = _decoder(answer_type)

        async def once(provider: RpcProvider | OwnProvider) -> T:
            result = await provider.call(method, params)
            value: T = check(_decode(decode, result, provider.label))
            return value

        return await self._pool.race(
            once, is_enough, patience_s=_RACE_PATIENCE_S, longest_s=2 * self._timeout_s
        )


def is_method_missing(error: RpcRefused) -> bool:
    """Whether a refusal says that the provider does not have the method."""
    return error.code in _METHOD_MISSING


def _is_final(error: RpcRefused, *, range_is_final: bool = True) -> bool:
    """Whether asking elsewhere would not help: for a revert, or a range that can be made smaller."""
    if isinstance(error, RangeRefused):
        return not range_is_final
    return _is_revert(error)


def _is_revert(error: RpcRefused) -> bool:
    if is_method_missing(error):
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
