"""Several JSON-RPC providers of one chain: health-scored, with failover. No answer is believed; some are checked here.

A call goes to the healthiest provider; when that one fails, or gives an answer that the caller's check rejects, the next
one is asked. A wrong answer costs far more health than a slow one. Failures decay, so that a mended provider comes back.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import msgspec

from light_clients.errors import Rejection
from relayer.chains.rpc_provider import RpcCall, RpcEndpoint, RpcLimits, RpcProvider, describe_url
from relayer.errors import (
    ChainUnavailable,
    ConfigError,
    NotFoundYet,
    PostroadError,
    RangeRefused,
    RpcAnswerInvalid,
    RpcRefused,
    RpcUnavailable,
    WrongChain,
)
from relayer.retry import RetryPolicy, retrying

T = TypeVar("T")

_HALF_LIFE_S: Final = 30.0
_LATENCY_STEP_S: Final = 0.05
_LATENCY_WEIGHT: Final = 0.05
_LATENCY_SMOOTHING: Final = 0.2
_COST: Final = {
    "unreachable": 1.0,
    "refused": 0.5,
    "missing": 0.2,
    # Worth many timeouts: who answers wrongly is broken or hostile.
    "invalid": 30.0,
    "wrong_chain": 1e9,
}

_REVERT_CODE = 3
_METHOD_MISSING = frozenset({-32601, -32004})
_REVERT_WORDS = ("revert",)
_MISSING_WORDS = (
    "header not found",
    "unknown block",
    "block not found",
    "missing trie node",
    "resource not found",
    "could not find block",
    "blockoutofrange",
    "state is not available",
    "world state unavailable",
)

OnRpcError = Callable[[str, str], None]
"""Told of every failure: the provider's label and one of unreachable, refused, missing, invalid, wrong_chain."""

DEFAULT_LIMITS = RpcLimits()
DEFAULT_POLICY = RetryPolicy(attempts=2, first_wait_s=0.1, longest_wait_s=1.0, jitter_s=0.05, total_s=25.0)


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """How a provider does. `cost` orders them, lowest first; `latency_s` is a moving average, None before an answer."""

    label: str
    cost: float
    latency_s: float | None
    failures: int
    wrong_chain: bool


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A decoded answer and whose it is, so that it can be blamed later."""

    value: T
    provider: str


@dataclass(slots=True)
class _Member:
    provider: RpcProvider
    order: int
    penalty: float = 0.0
    penalty_at: float = 0.0
    latency_s: float | None = None
    failures: int = 0
    is_probed: bool = False
    wrong: WrongChain | None = None
    probing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def needs_probe(self) -> bool:
        return not self.is_probed

    def cost(self, now: float) -> float:
        # In coarse steps, so that two equally quick providers don't take turns at telling what the newest block is.
        steps = 0 if self.latency_s is None else int(self.latency_s / _LATENCY_STEP_S)
        return self.decayed_penalty(now) + steps * _LATENCY_WEIGHT

    def decayed_penalty(self, now: float) -> float:
        return self.penalty * math.pow(0.5, (now - self.penalty_at) / _HALF_LIFE_S)


class RpcPool:
    """The providers of one chain.

    `probe(call)`, when given, is run once on every provider before its first use, with that provider's own call; it
    raises WrongChain when the provider serves another chain, which excludes it for good.
    """

    def __init__(
        self,
        endpoints: Sequence[RpcEndpoint],
        *,
        limits: RpcLimits = DEFAULT_LIMITS,
        policy: RetryPolicy = DEFAULT_POLICY,
        on_error: OnRpcError | None = None,
        probe: Callable[[Callable[[str, Sequence[Any]], Awaitable[bytes]]], Awaitable[None]] | None = None,
    ) -> None:
        if not endpoints:
            raise ConfigError("no providers", "at least one RPC URL", "Add one to the chain's rpc list.")
        labels = _labels(endpoints)
        self._members = [
            _Member(RpcProvider(endpoint, label, limits), order)
            for order, (endpoint, label) in enumerate(zip(endpoints, labels, strict=True))
        ]
        self._policy = policy
        self._on_error = on_error
        self._probe = probe

    @property
    def providers(self) -> tuple[RpcProvider, ...]:
        """All of them, in the configured order."""
        return tuple(member.provider for member in self._members)

    def health(self) -> tuple[ProviderHealth, ...]:
        """How each provider does, in the configured order."""
        now = time.monotonic()
        return tuple(
            ProviderHealth(
                member.provider.label,
                member.cost(now),
                member.latency_s,
                member.failures,
                member.wrong is not None,
            )
            for member in self._members
        )

    async def call(
        self,
        method: str,
        params: Sequence[Any],
        check: Callable[[Any], T],
        *,
        answer_type: Any = Any,
    ) -> T:
        """One call. `check` turns the decoded result into what the caller wants, or raises RpcAnswerInvalid, Rejection or
        NotFoundYet, and then the next provider is asked.

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
        """As `call`, telling who answered; providers in `exclude` are not asked. Where a smaller range could be asked for,
        `range_is_final=False` raises RangeRefused at once instead of asking the next provider.
        """
        decode = _decoder(answer_type)

        async def once(provider: RpcProvider) -> T:
            result = await provider.call(method, params)
            value: T = check(_decode(decode, result, provider.label))
            return value

        return await self._anyone(method, once, exclude, range_is_final=range_is_final)

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

        return (await self._anyone(calls[0][0], once, frozenset(), range_is_final=True)).value

    async def everyone(self, method: str, params: Sequence[Any]) -> list[Answer[Any] | PostroadError]:
        """The same call to all providers at once; each one's decoded result or error, in the configured order."""
        decode = _decoder(Any)

        async def once(member: _Member) -> Answer[Any] | PostroadError:
            try:
                await self._probe_once(member)
                result = await self._timed(member, lambda provider: provider.call(method, params))
                return Answer(_decode(decode, result, member.provider.label), member.provider.label)
            except WrongChain as error:
                return error
            except (RpcUnavailable, RpcAnswerInvalid) as error:
                self._charge(member, _kind_of(error))
                return error
            except RpcRefused as error:
                return error

        return list(await asyncio.gather(*(once(member) for member in self._members)))

    def blame(self, provider: str, kind: str = "invalid") -> None:
        """Charge a provider for an answer that turned out to be wrong only later."""
        for member in self._members:
            if member.provider.label == provider:
                self._charge(member, kind)

    async def close(self) -> None:
        """Close all connections; idempotent."""
        await asyncio.gather(*(member.provider.close() for member in self._members))

    async def _anyone(
        self,
        method: str,
        once: Callable[[RpcProvider], Awaitable[T]],
        exclude: frozenset[str],
        *,
        range_is_final: bool,
    ) -> Answer[T]:
        async def round_() -> Answer[T]:
            return await self._one_round(method, once, exclude, range_is_final=range_is_final)

        try:
            return await retrying(round_, self._policy)
        except _RefusalError as stop:
            raise stop.error from None

    async def _one_round(
        self,
        method: str,
        once: Callable[[RpcProvider], Awaitable[T]],
        exclude: frozenset[str],
        *,
        range_is_final: bool,
    ) -> Answer[T]:
        now = time.monotonic()
        failures: list[tuple[str, PostroadError | Rejection]] = []
        members = [member for member in self._members if member.provider.label not in exclude]
        for member in sorted(members, key=lambda member: (member.cost(now), member.order)):
            label = member.provider.label
            try:
                await self._probe_once(member)
                value = await self._timed(member, once)
                return Answer(value, label)
            except WrongChain as error:
                failures.append((label, error))
            except RangeRefused as error:
                if not range_is_final:
                    raise _RefusalError(error) from None
                self._charge(member, "refused")
                failures.append((label, error))
            except RpcRefused as error:
                if _is_revert(error):
                    raise _RefusalError(error) from None
                missing = any(word in error.message.lower() for word in _MISSING_WORDS)
                self._charge(member, "missing" if missing else "refused")
                failures.append((label, NotFoundYet(str(error)) if missing else error))
            except (RpcUnavailable, RpcAnswerInvalid, NotFoundYet, Rejection) as error:
                self._charge(member, _kind_of(error))
                failures.append((label, error))
        raise _summarize(method, failures)

    async def _probe_once(self, member: _Member) -> None:
        if member.wrong is not None:
            raise member.wrong
        if self._probe is None or not member.needs_probe():
            return
        async with member.probing:
            if not member.needs_probe():
                return
            try:
                await self._probe(member.provider.call)
            except WrongChain as error:
                member.wrong = error
                self._charge(member, "wrong_chain")
                raise
            member.is_probed = True

    async def _timed(self, member: _Member, once: Callable[[RpcProvider], Awaitable[T]]) -> T:
        started = time.monotonic()
        value = await once(member.provider)
        taken = time.monotonic() - started
        before = member.latency_s
        member.latency_s = taken if before is None else before + _LATENCY_SMOOTHING * (taken - before)
        return value

    def _charge(self, member: _Member, kind: str) -> None:
        now = time.monotonic()
        member.penalty = member.decayed_penalty(now) + _COST[kind]
        member.penalty_at = now
        member.failures += 1
        if self._on_error is not None:
            self._on_error(member.provider.label, kind)


class _RefusalError(Exception):
    """Carries an error past the retries: asking again or elsewhere would not change it."""

    def __init__(self, error: RpcRefused) -> None:
        super().__init__(error)
        self.error = error


def _summarize(method: str, failures: Sequence[tuple[str, PostroadError | Rejection]]) -> PostroadError:
    """One error for a round in which every provider failed."""
    if not failures:
        return ChainUnavailable(f"{method}: no provider is left to ask", "another provider")
    strangers = [error for _, error in failures if isinstance(error, WrongChain)]
    if len(strangers) == len(failures):
        return strangers[0]
    honest = [error for _, error in failures if not isinstance(error, WrongChain)]
    if all(isinstance(error, NotFoundYet) for error in honest):
        return NotFoundYet(f"{method}: {honest[0]}")
    texts = [str(error) if str(error).startswith(label) else f"{label}: {error}" for label, error in failures]
    return ChainUnavailable(f"{method}: no provider gave a usable answer: {'; '.join(texts)}")


def _kind_of(error: PostroadError | Rejection) -> str:
    if isinstance(error, RpcAnswerInvalid | Rejection):
        return "invalid"
    return "missing" if isinstance(error, NotFoundYet) else "unreachable"


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


def _labels(endpoints: Sequence[RpcEndpoint]) -> list[str]:
    """Host and port, numbered where several URLs share them."""
    hosts = [describe_url(endpoint.http) for endpoint in endpoints]
    seen: dict[str, int] = {}
    labels = []
    for host in hosts:
        seen[host] = seen.get(host, 0) + 1
        labels.append(host if hosts.count(host) == 1 else f"{host}#{seen[host]}")
    return labels
