"""The one place that retries. tenacity is wrapped here, bounded in attempts and in time, and switched off in tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
    wait_random,
)

from relayer.errors import Retryable

T = TypeVar("T")

_enabled: ContextVar[bool] = ContextVar("postroad_retries", default=True)


class Decision(Enum):
    """What to do about an error."""

    AGAIN = "again"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, how long. Waits double from `first_wait_s` to at most `longest_wait_s`, with up to `jitter_s` added so
    that many lanes do not come back together; no attempt starts after `total_s`.
    """

    attempts: int = 4
    first_wait_s: float = 0.1
    longest_wait_s: float = 5.0
    jitter_s: float = 0.1
    total_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse policies without an end. Raises ValueError."""
        if self.attempts < 1 or self.total_s <= 0 or self.first_wait_s < 0 or self.longest_wait_s < 0:
            msg = f"found {self}, expected at least one attempt and times that are not negative"
            raise ValueError(msg)

    def decide(self, error: BaseException, attempt: int) -> Decision:
        """The decision after the `attempt`-th failure (from 1): only `Retryable` is worth another attempt."""
        if not isinstance(error, Retryable) or attempt >= self.attempts or not _enabled.get():
            return Decision.GIVE_UP
        return Decision.AGAIN


DEFAULT_POLICY = RetryPolicy()


async def retrying(
    operation: Callable[[], Awaitable[T]],
    policy: RetryPolicy = DEFAULT_POLICY,
    *,
    on_retry: Callable[[BaseException, int], None] | None = None,
) -> T:
    """Run `operation` until it succeeds or the policy gives up; then its last error is raised as it is.

    `on_retry(error, attempt)` is told of each failure that will be tried again.
    """

    def is_worth_it(error: BaseException) -> bool:
        return policy.decide(error, 1) is Decision.AGAIN

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if on_retry is not None and error is not None:
            on_retry(error, state.attempt_number)

    controller = AsyncRetrying(
        retry=retry_if_exception(is_worth_it),
        stop=stop_after_attempt(policy.attempts) | stop_after_delay(policy.total_s),
        wait=wait_exponential(multiplier=policy.first_wait_s, max=policy.longest_wait_s)
        + wait_random(0, policy.jitter_s),
        before_sleep=tell,
        reraise=True,
    )
    return await controller(operation)


@contextmanager
def retries_off() -> Iterator[None]:
    """Within this block (and the tasks that it starts) nothing is retried: tests see every failure at once."""
    token = _enabled.set(False)
    try:
        yield
    finally:
        _enabled.reset(token)
