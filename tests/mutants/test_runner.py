# SPDX-License-Identifier: MIT
"""The short form of `make mutants`: one rule that a test holds, and a change that no test can see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.mutants.mutations import MUTATIONS
from tests.mutants.runner import Workshop, choose, workshop


@pytest.fixture(scope="module")
def bench() -> Iterator[Workshop]:
    with workshop() as made:
        yield made


def test_a_rule_that_a_test_holds_is_killed(bench: Workshop) -> None:
    """INV-1: without the comparison of heads the test of that comparison fails."""
    (mutation,) = choose(MUTATIONS, ["inbox-head"])
    assert bench.try_out(mutation).verdict == "killed"


def test_what_no_test_can_see_survives(bench: Workshop) -> None:
    (mutation,) = choose(MUTATIONS, ["inbox-head"])
    harmless = replace(mutation, put=mutation.found + " // unchanged")
    assert bench.try_out(harmless).verdict == "survived"


def test_a_test_that_is_not_there_kills_nothing(bench: Workshop) -> None:
    (mutation,) = choose(MUTATIONS, ["inbox-head"])
    assert bench.try_out(replace(mutation, killer="Inbox.t.sol::test_nothing")).verdict == "broken"
