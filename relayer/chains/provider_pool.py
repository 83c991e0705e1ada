# SPDX-License-Identifier: MIT
"""Several providers of one thing, scored by health, with failover.

A question goes to the healthiest provider. When that one fails, or gives an answer that the asker's check
rejects, the next one is asked. A wrong answer costs far more health than a slow one. Penalties decay, so that
a mended provider comes back.

Nothing here knows JSON-RPC: a kind of consensus may ask servers of another sort, with the same failover.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from light_clients.errors import Rejection
from relayer.chains.http import describe_url
from relayer.errors import (
    ChainUnavailable,
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


class Provider(Protocol):
    """One of several servers that are asked the same questions. `label` names it in errors."""

    label: str

    async def close(self) -> None:
        """Close its connections; idempotent."""
        ...


P = TypeVar("P", bound=Provider)

#: In this time half of a penalty is forgotten. A wrong answer keeps a provider last for some minutes.
_HALF_LIFE_S: Final = 30.0
#: Latency counts in whole steps of this: two equally quick providers must not take turns at telling what the
#: newest block is.
_LATENCY_STEP_S: Final = 0.05
#: What one such step costs. A timeout costs as much as a second of latency.
_LATENCY_WEIGHT: Final = 0.05
#: The weight of the newest answer in the moving average of latency.
_LATENCY_SMOOTHING: Final = 0.2
#: What each kind of failure adds to a provider's penalty.
_COST: Final = {
    "unreachable": 1.0,
    "refused": 0.5,
    # Nodes that prune lack old states and are right in all else.
    "missing": 0.2,
    # Worth many timeouts: who answers wrongly is broken or hostile.
    "invalid": 30.0,
    # The provider is excluded in any case. The number only makes its health say so.
    "wrong_chain": 1e9,
}

#: Is called for every failure, with the provider's label and one of unreachable, refused, missing, invalid
#: and wrong_chain.
OnRpcError = Callable[[str, str], None]

#: A round asks every provider once; this is how often a round that failed is repeated.
DEFAULT_POLICY: Final = RetryPolicy(
    attempts=2, first_wait_s=0.1, longest_wait_s=1.0, jitter_s=0.05, total_s=25.0
)


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """How well a provider does.

    Attributes:
        label: host and port.
        cost: orders providers, the lowest first.
        latency_s: a moving average; None before the first answer.
        failures: since the start.
        wrong_chain: whether it serves another chain and is excluded.
    """

    label: str
    cost: float
    latency_s: float | None
    failures: int
    wrong_chain: bool


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A decoded answer, and the label of its provider, who can be blamed later."""

    value: T
    provider: str


@dataclass(slots=True)
class PoolMember(Generic[P]):
    """A provider and how well it does. `order` is its place in the configuration."""

    provider: P
    order: int
    penalty: float = 0.0
    penalty_at: float = 0.0
    latency_s: float | None = None
    failures: int = 0
    is_probed: bool = False
    wrong: WrongChain | None = None
    probing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def needs_probe(self) -> bool:
        """Whether it was never asked which chain it serves."""
        return not self.is_probed

    def cost(self, now: float) -> float:
        """What orders providers, the lowest first; `now` is the monotonic clock's, in seconds."""
        steps = 0 if self.latency_s is None else int(self.latency_s / _LATENCY_STEP_S)
        return self.decayed_penalty(now) + steps * _LATENCY_WEIGHT

    def decayed_penalty(self, now: float) -> float:
        """What is left of its penalties at a monotonic time."""
        return self.penalty * math.pow(0.5, (now - self.penalty_at) / _HALF_LIFE_S)


class ProviderPool(Generic[P]):
    """The providers of one thing.

    Args:
        providers: the preferred one first.
        policy: how often a round in which every provider failed is repeated.
        on_error: is told of every failure.
        probe: is run once on each provider before its first use. It raises WrongChain when the provider
            serves another chain, which excludes the provider for good.
    """

    def __init__(
        self,
        providers: Sequence[P],
        *,
        policy: RetryPolicy = DEFAULT_POLICY,
        on_error: OnRpcError | None = None,
        probe: Callable[[P], Awaitable[None]] | None = None,
    ) -> None:
        self._members = [PoolMember(provider, order) for order, provider in enumerate(providers)]
        self._policy = policy
        self._on_error = on_error
        self._probe = probe
        self._stragglers: set[asyncio.Task[object]] = set()

    @property
    def providers(self) -> tuple[P, ...]:
        """All of them, in the configured order."""
        return tuple(member.provider for member in self._members)

    def health(self) -> tuple[ProviderHealth, ...]:
        """How well each provider does, in the configured order."""
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

    async def anyone(
        self,
        what: str,
        once: Callable[[P], Awaitable[T]],
        *,
        exclude: frozenset[str] = frozenset(),
        is_final: Callable[[RpcRefused], bool] = lambda _: False,
    ) -> Answer[T]:
        """Ask providers one after the other, the healthiest first, until one gives an answer.

        Args:
            what: names the question in errors, for people.
            once: asks one provider, and checks the answer: it raises RpcAnswerInvalid or Rejection for a
                wrong one, NotFoundYet where the provider lacks what was asked for.
            exclude: labels of providers that are not asked.
            is_final: tells a refusal that every provider would repeat, so that nobody else is asked.

        Returns:
            What `once` returned, and whose answer it is.

        Raises:
            RpcRefused: a final refusal.
            NotFoundYet: no provider has it.
            ChainUnavailable: no provider gave a usable answer.
            WrongChain: all providers serve another chain.
        """

        async def round_() -> Answer[T]:
            return await self._one_round(what, once, exclude, is_final)

        try:
            return await retrying(round_, self._policy)
        except _RefusalError as stop:
            raise stop.error from None

    async def everyone(self, once: Callable[[P], Awaitable[T]]) -> list[Answer[T] | PostroadError]:
        """Ask all providers at once, and return the value or error of each, in the configured order."""
        return list(await asyncio.gather(*(self._ask(member, once) for member in self._members)))

    async def race(
        self,
        once: Callable[[P], Awaitable[T]],
        is_enough: Callable[[T], bool],
        *,
        patience_s: float,
        longest_s: float,
    ) -> list[tuple[str, Answer[T] | PostroadError]]:
        """Ask all providers at once, and return as soon as one gives an answer that is enough.

        Those who are slower are asked to the end in the background, until `close`: what they are told may
        count (a transaction), though what they answer is not waited for.

        Args:
            once: asks one provider, and checks the answer; as for `anyone`.
            is_enough: whether an answer ends the waiting.
            patience_s: how long the others are waited for once somebody has answered or refused.
            longest_s: how long one provider may take. Then it counts as unreachable.

        Returns:
            The label, and the value or error, of each provider that answered in time or failed, in the
            configured order; those who were left behind by patience are among them, with RpcUnavailable.
        """

        async def ask(member: PoolMember[P]) -> Answer[T] | PostroadError:
            try:
                async with asyncio.timeout(longest_s):
                    return await self._ask(member, once)
            except TimeoutError:
                self._charge(member, "unreachable")
                return _late(member.provider.label, longest_s)

        asked = {asyncio.ensure_future(ask(member)): member for member in self._members}
        for task in asked:
            self._stragglers.add(task)
            task.add_done_callback(self._stragglers.discard)
        waiting: set[asyncio.Future[Answer[T] | PostroadError]] = set(asked)
        until_s = math.inf
        while waiting and (left_s := until_s - time.monotonic()) > 0:
            done, waiting = await asyncio.wait(
                waiting,
                timeout=None if left_s == math.inf else left_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            answers = [task.result() for task in done]
            if any(isinstance(answer, Answer) and is_enough(answer.value) for answer in answers):
                until_s = 0.0
            elif any(isinstance(answer, Answer | RpcRefused) for answer in answers):
                until_s = min(until_s, time.monotonic() + patience_s)
        enough = until_s == 0.0
        return [
            (
                member.provider.label,
                task.result() if task.done() else _late(member.provider.label, patience_s),
            )
            for task, member in asked.items()
            # Where somebody's answer was enough, nobody says that the others were too slow.
            if task.done() or not enough
        ]

    def blame(self, provider: str, kind: str = "invalid") -> None:
        """Charge a provider, by its label, for an answer that turned out to be wrong only later."""
        for member in self._members:
            if member.provider.label == provider:
                self._charge(member, kind)

    async def close(self) -> None:
        """Close all connections; idempotent. Providers that are still asked by `race` are left."""
        stragglers = list(self._stragglers)
        for straggler in stragglers:
            straggler.cancel()
        await asyncio.gather(*stragglers, return_exceptions=True)
        await asyncio.gather(*(member.provider.close() for member in self._members))

    async def _ask(
        self, member: PoolMember[P], once: Callable[[P], Awaitable[T]]
    ) -> Answer[T] | PostroadError:
        try:
            await self._probe_once(member)
            return Answer(await self._timed(member, once), member.provider.label)
        except WrongChain as error:
            return error
        except (RpcUnavailable, RpcAnswerInvalid) as error:
            self._charge(member, _kind_of(error))
            return error
        except (RpcRefused, NotFoundYet) as error:
            # Nobody is charged: a node may refuse a transaction, or lack a block, and be right.
            return error

    async def _one_round(
        self,
        what: str,
        once: Callable[[P], Awaitable[T]],
        exclude: frozenset[str],
        is_final: Callable[[RpcRefused], bool],
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
            except RpcRefused as error:
                if is_final(error):
                    raise _RefusalError(error) from None
                missing = is_missing(error)
                self._charge(member, "missing" if missing else "refused")
                failures.append((label, NotFoundYet(str(error)) if missing else error))
            except (RpcUnavailable, RpcAnswerInvalid, NotFoundYet, Rejection) as error:
                self._charge(member, _kind_of(error))
                failures.append((label, error))
        raise _summarize(what, failures)

    async def _probe_once(self, member: PoolMember[P]) -> None:
        if member.wrong is not None:
            raise member.wrong
        if self._probe is None or not member.needs_probe():
            return
        # Questions run side by side, and only the first one of them has to probe.
        async with member.probing:
            if not member.needs_probe():
                return
            try:
                await self._probe(member.provider)
            except WrongChain as error:
                label = member.provider.label
                member.wrong = WrongChain(f"{label}: {error.found}", error.expected, error.advice)
                self._charge(member, "wrong_chain")
                raise member.wrong from error
            member.is_probed = True

    async def _timed(self, member: PoolMember[P], once: Callable[[P], Awaitable[T]]) -> T:
        started = time.monotonic()
        value = await once(member.provider)
        taken = time.monotonic() - started
        before = member.latency_s
        member.latency_s = taken if before is None else before + _LATENCY_SMOOTHING * (taken - before)
        return value

    def _charge(self, member: PoolMember[P], kind: str) -> None:
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


def _summarize(what: str, failures: Sequence[tuple[str, PostroadError | Rejection]]) -> PostroadError:
    """Make one error of a round in which every provider failed."""
    if not failures:
        return ChainUnavailable(f"{what}: no provider is left to ask", "another provider")
    strangers = [error for _, error in failures if isinstance(error, WrongChain)]
    if len(strangers) == len(failures):
        return strangers[0]
    honest = [error for _, error in failures if not isinstance(error, WrongChain)]
    if all(isinstance(error, NotFoundYet) for error in honest):
        return NotFoundYet(f"{what}: {honest[0]}")
    texts = [str(error) if str(error).startswith(label) else f"{label}: {error}" for label, error in failures]
    return ChainUnavailable(f"{what}: no provider gave a usable answer: {'; '.join(texts)}")


def _late(label: str, waited_s: float) -> RpcUnavailable:
    return RpcUnavailable(f"{label} gave no answer in {waited_s:g} s", "an answer")


def _kind_of(error: PostroadError | Rejection) -> str:
    if isinstance(error, RpcAnswerInvalid | Rejection):
        return "invalid"
    return "missing" if isinstance(error, NotFoundYet) else "unreachable"


#: JSON-RPC has no code for "I do not have it"; these are words that nodes use.
_MISSING_WORDS: Final = (
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


def is_missing(error: RpcRefused) -> bool:
    """Whether a refusal says that the provider does not have what was asked for."""
    if isinstance(error, RangeRefused):
        return False
    return any(word in error.message.lower() for word in _MISSING_WORDS)


def label_urls(urls: Sequence[str]) -> list[str]:
    """Return the host and port of each URL, numbered where several URLs share them."""
    hosts = [describe_url(url) for url in urls]
    seen: dict[str, int] = {}
    labels = []
    for host in hosts:
        seen[host] = seen.get(host, 0) + 1
        labels.append(host if hosts.count(host) == 1 else f"{host}#{seen[host]}")
    return labels
