# SPDX-License-Identifier: MIT
"""What a plan lets people compare."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import msgspec

from relayer.endpoint.plan import DeploymentPlan
from relayer.endpoint.steps import Step, StepKind


class Record(msgspec.Struct, frozen=True):
    """What a light client begins with, of a kind of the test's own."""


class Trust:
    """A start of trust of that kind."""

    def describe(self, on: str, remote: str) -> Sequence[str]:
        return [f"On {on}, trust in {remote} begins"]


def test_each_chain_that_is_followed_is_described_once_with_all_that_follow_it() -> None:
    names = [f"c{number}" for number in range(20)]
    steps = tuple(
        Step(StepKind.CLIENT, on, 1, remote, Record(), "Client") for on, remote in permutations(names, 2)
    )
    trusts: Any = {name: Trust() for name in names}
    lines = DeploymentPlan(steps, (), {}, {}, trusts, {}).describe_trusts()
    told = [line for line in lines if line]
    assert len(told) == len(names)
    others = ", ".join(names[1:])
    assert f"On {others}, trust in c0 begins" in told


def test_other_steps_have_nothing_to_compare() -> None:
    steps = (Step(StepKind.GATEWAY, "a", 1), Step(StepKind.REGISTER, "a", 1, "b"))
    assert DeploymentPlan(steps, (), {}, {}, {}, {}).describe_trusts() == ()
