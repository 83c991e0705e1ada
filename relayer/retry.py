# SPDX-License-Identifier: MIT
"""Retries, in this one place: tenacity, bounded in attempts and in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

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


class Decision(Enum):
    """What to do about an error."""

    AGAIN = "again"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and for how long work is tried again.

    Attributes:
        attempts: how many attempts there are at most, the first one included.
        first_wait_s: the wait after the first failure; later waits double.
        longest_wait_s: where the doubling ends.
        jitter_s: up to this is added at random, so that many lanes do not come back together.
        total_s: no attempt starts later than this after the first.
    """

    attempts: int = 4
    first_wait_s: float = 0.1
    longest_wait_s: float = 5.0
    jitter_s: float = 0.1
    total_s: float = 30.0

    def __post_init__(self) -> None:
        """Raise ValueError for a policy without an end."""
        if self.attempts < 1 or self.total_s <= 0 or self.first_wait_s < 0 or self.longest_wait_s < 0:
            msg = f"found {self}, expected at least one attempt and times that are not negative"
            raise ValueError(msg)

    def decide(self, error: BaseException, attempt: int) -> Decision:
        """Return the decision after the `attempt`-th failure, counted from 1.

        Only Retryable is tried again.
        """
        if not isinstance(error, Retryable) or attempt >= self.attempts:
            return Decision.GIVE_UP
        return Decision.AGAIN


DEFAULT_POLICY: Final = RetryPolicy()


async def retrying(
    operation: Callable[[], Awaitable[T]],
    policy: RetryPolicy = DEFAULT_POLICY,
    *,
    on_retry: Callable[[BaseException, int], None] | None = None,
) -> T:
    """Run `operation` until it succeeds, and return its result.

    Args:
        operation: makes the awaitable of one attempt.
        policy: how often and for how long.
        on_retry: called with the error and the attempt's number after every failure that is tried again.

    Raises:
        BaseException: the last attempt's error as it is, once the policy gives up.
    """

    def is_worth_it(error: BaseException) -> bool:
        # `stop` below counts the attempts, so here only the error's type decides.
        return policy.decide(error, 1) is Decision.AGAIN

    def notify(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if on_retry is not None and error is not None:
            on_retry(error, state.attempt_number)

    controller = AsyncRetrying(
        retry=retry_if_exception(is_worth_it),
        stop=stop_after_attempt(policy.attempts) | stop_after_delay(policy.total_s),
        wait=wait_exponential(multiplier=policy.first_wait_s, max=policy.longest_wait_s)
        + wait_random(0, policy.jitter_s),
        before_sleep=notify,
        # The error itself and no RetryError, because its type is the decision (relayer.errors).
        reraise=True,
    )
    return await controller(operation)
