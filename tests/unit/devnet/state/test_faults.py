# SPDX-License-Identifier: MIT
"""The book of faults: which act, how often, and how they are written as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from relayer.devnet.errors import SpecError
from relayer.devnet.state.faults import (
    Fault,
    Faults,
    MissingSeals,
    RpcErrors,
    SlowAnswers,
    Stall,
    WrongLogs,
    WrongProofs,
    read_fault,
)


def test_a_fault_acts_as_often_as_it_says() -> None:
    faults = Faults()
    faults.start(WrongProofs(times=2))
    assert [faults.take(WrongProofs) is not None for _ in range(3)] == [True, True, False]
    assert not faults


def test_only_acts_are_counted() -> None:
    faults = Faults()
    faults.start(MissingSeals(first=5, last=6, times=1))
    faults.start(RpcErrors(methods=frozenset({"eth_call"}), times=1))
    assert faults.take_block(MissingSeals, 4) is faults.take_block(MissingSeals, 7) is None
    assert faults.take_answer(RpcErrors, "eth_getLogs") is None
    assert faults.take_answer(SlowAnswers, "eth_call") is None
    assert faults.take_block(MissingSeals, 5) is not None
    assert faults.take_answer(RpcErrors, "eth_call") is not None
    assert not faults


def test_the_newest_goes_first_and_the_older_comes_back() -> None:
    faults = Faults()
    older, newer = WrongLogs(how="none"), WrongLogs(how="twice")
    faults.start(older)
    with faults.on(newer) as number:
        assert faults.take(WrongLogs) is newer
        assert faults.active()[number] is newer
    assert faults.take(WrongLogs) is older
    faults.stop(999)
    faults.clear()
    assert faults.active() == {}


def test_looking_is_no_act() -> None:
    faults = Faults()
    faults.start(Stall(times=1))
    assert faults.is_on(Stall)
    assert faults.is_on(Stall)
    assert not faults.is_on(WrongLogs)


def test_who_listens_hears_of_each_start() -> None:
    heard: list[Fault] = []
    faults = Faults()
    faults.started = heard.append
    faults.start(Stall())
    with faults.on(WrongProofs()):
        pass
    assert heard == [Stall(), WrongProofs()]


@pytest.mark.parametrize("kind", Fault.__args__)
def test_every_fault_comes_back_from_json(kind: type[Fault]) -> None:
    fault = kind()
    written = msgspec.to_builtins(fault)
    assert read_fault(written) == fault
    assert read_fault({"kind": written["kind"]}) == fault
    assert read_fault({"kind": written["kind"], "times": 3}).times == 3


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"kind": "missing"},
        {"kind": "stall", "times": 0},
        {"kind": "missing-seals", "keep": -1},
        {"kind": "wrong-proofs", "how": "badly"},
        {"kind": "rpc-errors", "http_status": 200},
        {"kind": "rounds", "round": 0},
        {"kind": "stall", "for": 3},
    ],
)
def test_what_is_no_fault(value: Any) -> None:
    with pytest.raises(SpecError, match="expected an object whose kind is one of missing-seals, "):
        read_fault(value)
