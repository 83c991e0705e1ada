# SPDX-License-Identifier: MIT
from __future__ import annotations

import msgspec
import pytest

from relayer.consensus.ethereum.local.faults import ETHEREUM_FAULTS
from relayer.devnet.errors import SpecError
from relayer.devnet.state.faults import COMMON_FAULTS, Fault, read_fault


def test_every_chain_suffers_what_all_can() -> None:
    assert COMMON_FAULTS < ETHEREUM_FAULTS


@pytest.mark.parametrize("kind", sorted(ETHEREUM_FAULTS, key=str))
def test_every_fault_comes_back_from_json(kind: type[Fault]) -> None:
    fault = kind()
    written = msgspec.to_builtins(fault)
    assert read_fault(written, ETHEREUM_FAULTS) == fault
    assert read_fault({"kind": written["kind"], "times": 3}, ETHEREUM_FAULTS).times == 3


@pytest.mark.parametrize(
    "value", [{"kind": "participation", "share": 1.1}, {"kind": "missed-slots", "every": 0}]
)
def test_what_makes_no_sense_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="expected an object whose kind is one of "):
        read_fault(value, ETHEREUM_FAULTS)
