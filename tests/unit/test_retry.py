# SPDX-License-Identifier: MIT
"""Retries: bounded, and decided by the error's type."""

from __future__ import annotations

import pytest

from relayer.errors import Drop, Retryable, StopLane
from relayer.retry import Decision, RetryPolicy, retrying

QUICK = RetryPolicy(attempts=3, first_wait_s=0, longest_wait_s=0, jitter_s=0)


class Failing:
    def __init__(self, error: Exception, failures: int) -> None:
        self.error = error
        self.failures = failures
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "done"


async def test_a_retryable_error_is_tried_again_up_to_the_bound() -> None:
    told: list[int] = []
    operation = Failing(Retryable("busy"), 2)
    assert await retrying(operation, QUICK, on_retry=lambda _, attempt: told.append(attempt)) == "done"
    assert told == [1, 2]
    hopeless = Failing(Retryable("busy"), 9)
    with pytest.raises(Retryable, match="busy"):
        await retrying(hopeless, QUICK)
    assert hopeless.calls == 3


@pytest.mark.parametrize("error", [Drop("bad"), StopLane("paused"), ValueError("a defect")])
async def test_other_errors_are_raised_at_once(error: Exception) -> None:
    operation = Failing(error, 9)
    with pytest.raises(type(error)):
        await retrying(operation, QUICK)
    assert operation.calls == 1


async def test_no_attempt_starts_after_the_total_time() -> None:
    operation = Failing(Retryable("busy"), 99)
    policy = RetryPolicy(attempts=99, first_wait_s=0.02, longest_wait_s=0.02, jitter_s=0, total_s=0.1)
    with pytest.raises(Retryable):
        await retrying(operation, policy)
    assert operation.calls <= 8


def test_the_policy_returns_a_decision() -> None:
    assert QUICK.decide(Retryable("busy"), 1) is Decision.AGAIN
    assert QUICK.decide(Retryable("busy"), 3) is Decision.GIVE_UP
    assert QUICK.decide(Drop("bad"), 1) is Decision.GIVE_UP


@pytest.mark.parametrize("attempts", [0, -1])
def test_a_policy_without_attempts_is_refused(attempts: int) -> None:
    with pytest.raises(ValueError, match="at least one attempt"):
        RetryPolicy(attempts=attempts)
