# SPDX-License-Identifier: MIT
"""Refusals: named, their arguments read, and their type the decision."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relayer.chains.evm import abi
from relayer.chains.evm.reverts import DROPS, RETRIES, STOPS, decode_revert, from_refusal
from relayer.contracts import load
from relayer.errors import (
    CallReverted,
    CallRevertedDrop,
    CallRevertedRetryable,
    CallRevertedStopLane,
    RpcRefused,
)

INTERFACES = Path(__file__).resolve().parents[4] / "solidity" / "src" / "interfaces"


def test_arguments_are_read_by_name() -> None:
    data = abi.selector("InsufficientGas(uint256,uint256)") + abi.encode_word(5) + abi.encode_word(7)
    error = decode_revert(data)
    assert isinstance(error, CallRevertedRetryable)
    assert (error.name, error.arguments) == ("InsufficientGas", {"found": 5, "needed": 7})
    assert str(error) == "call reverted: InsufficientGas(found=5, needed=7)"


def test_a_refusal_that_only_others_can_end_stops_the_lane() -> None:
    error = decode_revert(abi.selector("InboundLaneIsPaused(bytes32)") + b"\1" * 32)
    assert isinstance(error, CallRevertedStopLane)
    assert "guardian" in str(error)


def test_a_batch_that_can_never_succeed_is_dropped() -> None:
    assert isinstance(decode_revert(abi.selector("MalformedBatch(uint256)") + bytes(32)), CallRevertedDrop)


def test_solidity_built_in_errors_are_read() -> None:
    assert decode_revert(abi.selector("Error(string)") + abi.encode_bytes(b"no")).arguments == {
        "reason": "no"
    }
    assert decode_revert(abi.selector("Panic(uint256)") + abi.encode_word(0x11)).arguments == {"code": 17}


def test_errors_of_shipped_contracts_are_read_from_their_abi() -> None:
    from relayer.contracts import load

    shipped = load("BftLightClient").errors
    assert shipped
    for selector, error in shipped.items():
        assert decode_revert(selector + bytes(32 * 8)).name == error.name


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1",
        b"\1\2\3\4",
        abi.selector("Error(string)"),
        abi.selector("Error(string)") + b"\xff" * 64,
        abi.selector("InsufficientGas(uint256,uint256)") + bytes(31),
        abi.selector("Error(string)") + abi.encode_bytes(b"\xff\xfe"),
        bytes(100_000),
    ],
)
def test_damaged_data_is_an_answer_too(data: bytes) -> None:
    error = decode_revert(data)
    assert isinstance(error, CallRevertedRetryable)
    assert str(error).startswith("call reverted: ")


def test_every_error_of_the_interfaces_has_a_decision() -> None:
    """A new error in Solidity must be given a decision here."""
    declared = {
        match[1]
        for path in INTERFACES.glob("*.sol")
        for match in re.finditer(r"^\s*error (\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    decided = {signature.partition("(")[0] for signature in (*STOPS, *DROPS, *RETRIES)}
    assert declared <= decided


@pytest.mark.parametrize(
    ("signatures", "decision"), [(STOPS, CallRevertedStopLane), (DROPS, CallRevertedDrop)]
)
def test_decided_errors_are_those_of_the_shipped_gateway(
    signatures: tuple[str, ...], decision: type[CallReverted]
) -> None:
    """A signature that is mistyped in the list would never match."""
    shipped = {
        error.name: selector
        for contract in ("Gateway", "BftLightClient", "AccessManager")
        for selector, error in load(contract).errors.items()
    }
    for signature in signatures:
        name = signature.partition("(")[0]
        error = decode_revert(shipped[name])
        assert (error.name, type(error)) == (name, decision), signature


def test_json_rpc_refusals_that_are_reverts() -> None:
    data = abi.selector("DeliverIsLocked()")
    named = from_refusal(RpcRefused(3, "execution reverted", data=data))
    assert named is not None
    assert named.name == "DeliverIsLocked"
    assert from_refusal(RpcRefused(-32000, "execution reverted")) is not None
    assert from_refusal(RpcRefused(-32000, "header not found")) is None
