# SPDX-License-Identifier: MIT
"""Chains that could be taken for each other are refused."""

from __future__ import annotations

from typing import Any

from relayer.consensus.bft.endpoint import BftTrust
from relayer.consensus.findings import Severity
from relayer.endpoint.survey import Survey, compare_chains


def survey(name: str, chain_id: int, genesis: bytes, validators: tuple[bytes, ...]) -> Survey:
    class Header:
        pass

    header: Any = Header()
    header.validators = validators
    none: Any = None
    return Survey(name, "bft", chain_id, genesis, "", BftTrust(header), 0, none, (), ())


def test_chains_with_one_id_one_genesis_or_one_validator_are_refused() -> None:
    alice, bob, carol = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
    good = survey("a", 1, b"\x01" * 32, (alice, bob))
    assert compare_chains([good, survey("b", 2, b"\x02" * 32, (carol,))]) == ()
    cases = [
        (survey("b", 1, b"\x02" * 32, (carol,)), "the same chain id 1"),
        (survey("b", 2, b"\x01" * 32, (carol,)), "the same genesis"),
        (survey("b", 2, b"\x02" * 32, (carol, bob)), "1 shared validators (0x0202"),
    ]
    for other, text in cases:
        (finding,) = compare_chains([good, other])
        assert finding.severity is Severity.REFUSAL
        assert text in finding.found
