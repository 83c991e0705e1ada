# SPDX-License-Identifier: MIT
"""The rules that contracts need are found by running them on a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relayer.endpoint.probes import PROBES, probe_rules
from relayer.errors import RpcRefused
from tests.support.rpc import node_answering

ANSWER = "0x" + (42).to_bytes(32).hex()


async def test_rules_that_hold_are_found_by_running_them() -> None:
    results = await probe_rules(node_answering({"eth_call": ANSWER}))
    assert all(result.holds for result in results)
    assert [result.probe.rule for result in results] == ["PUSH0", "TSTORE and TLOAD", "MCOPY"]


async def test_a_rule_that_is_missing_is_told_with_the_nodes_reason() -> None:
    def answer(params: Sequence[Any]) -> Any:
        is_mcopy = params[0]["data"] == "0x" + PROBES[2].program.hex()
        return RpcRefused(-32000, "invalid opcode: MCOPY") if is_mcopy else ANSWER

    results = await probe_rules(node_answering({"eth_call": answer}))
    assert [result.holds for result in results] == [True, True, False]
    assert "invalid opcode: MCOPY" in results[2].reason


async def test_a_node_that_runs_nothing_does_not_pass() -> None:
    results = await probe_rules(node_answering({"eth_call": "0x"}))
    assert not any(result.holds for result in results)
