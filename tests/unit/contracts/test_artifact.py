# SPDX-License-Identifier: MIT
"""Shipped contracts: found by name, recognized by code, called by signature."""

from __future__ import annotations

import json

import pytest

from light_clients.hashing import keccak256
from relayer.contracts import UnknownContract, load


def test_a_contract_that_does_not_ship_is_told() -> None:
    with pytest.raises(UnknownContract, match="Doorbel"):
        load("Doorbel")
    with pytest.raises(UnknownContract, match="has no function"):
        load("Gateway").encode_call("registerRemotes")


def test_code_is_recognized_whatever_its_immutables_hold_and_nothing_else_is() -> None:
    for name in ("Gateway", "BftLightClient", "AccessManager"):
        artifact = load(name)
        code = bytearray(artifact.runtime_code)
        for start, length in artifact.immutables:
            code[start : start + length] = b"\x77" * length
        assert artifact.is_runtime(bytes(code))
        code[10] ^= 1
        assert not artifact.is_runtime(bytes(code))
        assert not artifact.is_runtime(bytes(code[:-1]))
        assert not artifact.is_runtime(b"")


def test_selectors_are_those_of_the_signatures() -> None:
    expected = keccak256(b"registerRemote(bytes,bytes32,address,(uint32,uint32,uint32))")[:4]
    assert load("Gateway").selector("registerRemote") == expected
    assert json.dumps(sorted(load("Gateway").functions)).count("registerRemote") == 1


def test_a_call_is_read_back_by_name_and_what_is_no_call_of_the_contract_is_none() -> None:
    manager = load("AccessManager")
    account = "0x" + "11" * 20
    data = manager.encode_call("grantRole", 1, account, 60)
    assert manager.decode_call(data) == ("grantRole", {"roleId": 1, "account": account, "executionDelay": 60})
    assert manager.decode_call(data[:-1]) is None
    assert load("Gateway").decode_call(data) is None
    assert manager.decode_call(b"") is None
