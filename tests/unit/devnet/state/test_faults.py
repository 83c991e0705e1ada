# SPDX-License-Identifier: MIT
"""The book of faults: which act, how often, and how they are written as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
import pytest

from relayer.devnet.errors import SpecError
from relayer.devnet.state.faults import (
    COMMON_FAULTS,
    BlockFault,
    Fault,
    Faults,
    RpcErrors,
    SlowAnswers,
    Stall,
    WrongLogs,
    WrongProofs,
    read_fault,
)


class HiddenBlocks(BlockFault, frozen=True, tag="hidden-blocks"):
    """A fault that only one kind of chain can suffer."""

    keep: Annotated[int, msgspec.Meta(ge=0)] | None = None


POSSIBLE: Final = COMMON_FAULTS | {HiddenBlocks}


def test_a_fault_acts_as_often_as_it_says() -> None:
    faults = Faults(POSSIBLE)
    faults.start(WrongProofs(times=2))
    assert [faults.take(WrongProofs) is not None for _ in range(3)] == [True, True, False]
    assert not faults


def test_only_acts_are_counted() -> None:
    faults = Faults(POSSIBLE)
    faults.start(HiddenBlocks(first=5, last=6, times=1))
    faults.start(RpcErrors(methods=frozenset({"eth_call"}), times=1))
    assert faults.take_block(HiddenBlocks, 4) is faults.take_block(HiddenBlocks, 7) is None
    assert faults.take_answer(RpcErrors, "eth_getLogs") is None
    assert faults.take_answer(SlowAnswers, "eth_call") is None
    assert faults.take_block(HiddenBlocks, 5) is not None
    assert faults.take_answer(RpcErrors, "eth_call") is not None
    assert not faults


def test_the_newest_goes_first_and_the_older_comes_back() -> None:
    faults = Faults(POSSIBLE)
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
    faults = Faults(POSSIBLE)
    faults.start(Stall(times=1))
    assert faults.is_on(Stall)
    assert faults.is_on(Stall)
    assert not faults.is_on(WrongLogs)


def test_who_listens_hears_of_each_start() -> None:
    heard: list[Fault] = []
    faults = Faults(POSSIBLE)
    faults.started = heard.append
    faults.start(Stall())
    with faults.on(WrongProofs()):
        pass
    assert heard == [Stall(), WrongProofs()]


@pytest.mark.parametrize("kind", sorted(POSSIBLE, key=str))
def test_every_fault_comes_back_from_json(kind: type[Fault]) -> None:
    fault = kind()
    written = msgspec.to_builtins(fault)
    assert read_fault(written, POSSIBLE) == fault
    assert read_fault({"kind": written["kind"]}, POSSIBLE) == fault
    assert read_fault({"kind": written["kind"], "times": 3}, POSSIBLE).times == 3


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"kind": "hidden"},
        {"kind": "stall", "times": 0},
        {"kind": "hidden-blocks", "keep": -1},
        {"kind": "wrong-proofs", "how": "badly"},
        {"kind": "rpc-errors", "http_status": 200},
        {"kind": "stall", "for": 3},
    ],
)
def test_what_is_no_fault(value: Any) -> None:
    with pytest.raises(SpecError, match="expected an object whose kind is one of drop-connections, "):
        read_fault(value, POSSIBLE)


def test_a_fault_that_a_chain_cannot_suffer_is_refused() -> None:
    with pytest.raises(SpecError, match="one of drop-connections, "):
        read_fault({"kind": "hidden-blocks"}, COMMON_FAULTS)
    with pytest.raises(SpecError, match="the fault hidden-blocks on a chain where it has no meaning"):
        Faults(COMMON_FAULTS).start(HiddenBlocks())
