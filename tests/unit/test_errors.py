# SPDX-License-Identifier: MIT
"""The type is the decision: every error that the pipeline meets is exactly one of the three, and reads well."""

from __future__ import annotations

import inspect

import pytest

from relayer import errors
from relayer.errors import CallReverted, ConfigError, Drop, PostroadError, Retryable, StopLane

UNDECIDED = {PostroadError, CallReverted, errors.IllegalTransition}


def every_error() -> list[type[PostroadError]]:
    found = [value for _, value in inspect.getmembers(errors, inspect.isclass)]
    return [value for value in found if issubclass(value, PostroadError)]


@pytest.mark.parametrize("kind", [kind for kind in every_error() if kind not in UNDECIDED])
def test_each_error_is_one_decision(kind: type[PostroadError]) -> None:
    decisions = [each for each in (Retryable, Drop, StopLane, ConfigError) if issubclass(kind, each)]
    assert len(decisions) == 1


def test_an_error_says_found_expected_and_what_to_do() -> None:
    error = Retryable("no answer in 5 s", "an answer", "Add a provider")
    assert str(error) == "no answer in 5 s (expected an answer). Add a provider"
    assert str(Retryable("no answer")) == "no answer"
    assert (error.found, error.expected, error.advice) == ("no answer in 5 s", "an answer", "Add a provider")
