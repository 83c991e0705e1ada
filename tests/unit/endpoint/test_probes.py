# SPDX-License-Identifier: MIT
"""The rules that contracts need, and the sizes that are taken, are found by trying them on a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from light_clients.codec import rlp
from relayer.consensus.findings import Severity
from relayer.contracts import Build
from relayer.endpoint.probes import (
    PROBES,
    ProbeResult,
    build_for,
    probe_rules,
    refuses_code,
    refuses_transaction,
)
from relayer.endpoint.survey import judge_rules
from relayer.errors import RpcRefused
from tests.support.rpc import node_answering

ANSWER = "0x" + (42).to_bytes(32).hex()
MISSING_IN_BERLIN = ("PUSH0", "TSTORE and TLOAD", "MCOPY")


def results(*missing: str) -> tuple[ProbeResult, ...]:
    return tuple(
        ProbeResult(probe, probe.rule not in missing, "invalid opcode" if probe.rule in missing else "")
        for probe in PROBES
    )


async def test_rules_that_hold_are_found_by_running_them() -> None:
    found = await probe_rules(node_answering({"eth_call": ANSWER}))
    assert all(result.holds for result in found)
    assert [result.probe.rule for result in found] == ["CHAINID", *MISSING_IN_BERLIN]


async def test_a_rule_that_is_missing_is_told_with_the_nodes_reason() -> None:
    def answer(params: Sequence[Any]) -> Any:
        is_mcopy = params[0]["data"] == "0x" + PROBES[3].program.hex()
        return RpcRefused(-32000, "invalid opcode: MCOPY") if is_mcopy else ANSWER

    found = await probe_rules(node_answering({"eth_call": answer}))
    assert [result.holds for result in found] == [True, True, True, False]
    assert "invalid opcode: MCOPY" in found[3].reason


async def test_a_node_that_runs_nothing_does_not_pass() -> None:
    found = await probe_rules(node_answering({"eth_call": "0x"}))
    assert not any(result.holds for result in found)
    assert build_for(found) is None


@pytest.mark.parametrize(
    ("missing", "build"),
    [
        ((), Build.CANCUN),
        (MISSING_IN_BERLIN, Build.BASELINE),
        (("MCOPY",), Build.BASELINE),
        (("CHAINID", *MISSING_IN_BERLIN), None),
        (("CHAINID",), None),
    ],
)
def test_the_build_is_the_best_whose_every_rule_holds(missing: tuple[str, ...], build: Build | None) -> None:
    assert build_for(results(*missing)) is build


def test_the_finding_says_which_build_and_why() -> None:
    (best,) = judge_rules("court", results())
    assert (best.severity, best.found) == (Severity.OK, "the cancun build of the contracts runs here")
    (older,) = judge_rules("court", results(*MISSING_IN_BERLIN))
    assert older.severity is Severity.OK
    assert "baseline build" in older.found
    assert "no MCOPY of Cancun (EIP-5656) (invalid opcode)" in older.found


def test_a_chain_below_the_oldest_build_is_refused_by_the_rule_that_it_lacks() -> None:
    (refused,) = judge_rules("court", results("CHAINID", *MISSING_IN_BERLIN))
    assert refused.severity is Severity.REFUSAL
    assert refused.found == "no CHAINID (invalid opcode)"
    assert refused.expected == "Istanbul (EIP-1344) and newer rules"
    assert "Istanbul or newer in its genesis file" in refused.advice


async def test_a_limit_for_the_size_of_contracts_is_found() -> None:
    sizes: list[int] = []

    def answer(params: Sequence[Any]) -> Any:
        program = bytes.fromhex(params[0]["data"][2:])
        assert (program[:1], program[3:]) == (b"\x61", bytes.fromhex("6000f3"))
        sizes.append(int.from_bytes(program[1:3]))
        if sizes[-1] > 20_000:
            return RpcRefused(-32000, "max code size exceeded")
        return "0x" + bytes(sizes[-1]).hex()

    node = node_answering({"eth_call": answer})
    assert await refuses_code(node, 20_000) == ""
    assert "max code size exceeded" in await refuses_code(node, 20_001)
    assert sizes == [20_000, 20_001]


async def test_another_failure_of_the_same_program_says_nothing_of_contracts() -> None:
    node = node_answering({"eth_call": RpcRefused(-32000, "out of gas")})
    assert await refuses_code(node, 24_576) == ""


async def test_a_limit_for_the_size_of_transactions_is_found_with_one_that_nobody_signed() -> None:
    def answer(params: Sequence[Any]) -> Any:
        raw = bytes.fromhex(params[0][2:])
        fields = rlp.decode(raw)
        # No gas, and r = s = 0: no chain can ever hold it.
        assert [fields[place] for place in (2, 7, 8)] == [b"", b"", b""]
        too_large = len(raw) > 32 * 1024
        return RpcRefused(-32000, "oversized data" if too_large else "invalid sender")

    node = node_answering({"eth_sendRawTransaction": answer})
    assert await refuses_transaction(node, 77, 30_000) == ""
    assert await refuses_transaction(node, 77, 33_000) == "oversized data"
