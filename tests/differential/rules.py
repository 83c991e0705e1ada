# SPDX-License-Identifier: MIT
"""A light client's rules one by one: for every rule a call that keeps to all of them, and the same call
with that rule alone broken, signed as the good one is.

Random cases hardly ever break one rule alone: something else is broken as well, and a rule that one side
lacks hides behind it. Here the good call must be believed and the broken one refused, by both clients, and by
the contract with the error of that very rule (INV-7, INV-8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relayer.contracts import load
from tests.differential.clients import Case, Deployed, ask_python, encode_call
from tests.differential.evm import Anvil, probe


@dataclass(frozen=True)
class Rule:
    """A rule and what breaks it.

    Attributes:
        name: what the rule says.
        error: the name of the contract's error.
        good: a call that is believed.
        broken: the same with this rule alone broken.
    """

    name: str
    error: str
    good: Case
    broken: Case


def check_rules(anvil: Anvil, deployed: Deployed, rules: Sequence[Rule]) -> None:
    """Ask both clients both calls of every rule. Raises AssertionError where a verdict is another."""
    for rule in rules:
        assert rule.good != rule.broken, rule.name
        _check(anvil, deployed, rule.good, "", rule.name)
        _check(anvil, deployed, rule.broken, rule.error, rule.name)


def check_refused(anvil: Anvil, deployed: Deployed, case: Case, error: str) -> None:
    """Ask both clients a call that both refuse, the contract with this error."""
    _check(anvil, deployed, case, error, "refused")


def _check(anvil: Anvil, deployed: Deployed, case: Case, error: str, rule: str) -> None:
    names = {selector: error.name for selector, error in load(deployed.consensus.contract).errors.items()}
    (outcome,) = probe(anvil, deployed.place, deployed.implementation, [encode_call(case)], case.now)
    told = f"{rule}: {case.method} at {case.now}: {case.data.hex()}"
    found = "" if outcome.accepted else names.get(outcome.result[:4], outcome.result.hex())
    assert found == error, f"found {found or 'believed'}, expected {error or 'believed'}; {told}"
    believed = ask_python(deployed.client, case) is not None
    assert believed == outcome.accepted, f"Python {'believes' if believed else 'refuses'} {told}"
