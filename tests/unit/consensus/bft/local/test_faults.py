# SPDX-License-Identifier: MIT
from __future__ import annotations

import msgspec
import pytest

from relayer.consensus.bft.local.faults import BFT_FAULTS
from relayer.devnet.errors import SpecError
from relayer.devnet.state.faults import COMMON_FAULTS, Fault, read_fault


def test_every_chain_suffers_what_all_can() -> None:
    assert COMMON_FAULTS < BFT_FAULTS


@pytest.mark.parametrize("kind", sorted(BFT_FAULTS, key=str))
def test_every_fault_comes_back_from_json(kind: type[Fault]) -> None:
    fault = kind()
    written = msgspec.to_builtins(fault)
    assert read_fault(written, BFT_FAULTS) == fault
    assert read_fault({"kind": written["kind"], "times": 3}, BFT_FAULTS).times == 3


@pytest.mark.parametrize("value", [{"kind": "missing-seals", "keep": -1}, {"kind": "rounds", "round": 0}])
def test_what_makes_no_sense_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="expected an object whose kind is one of "):
        read_fault(value, BFT_FAULTS)
