# SPDX-License-Identifier: MIT
"""A plan and its outcome, as they are shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from relayer.chains.base import GasMarket, GasPrice
from relayer.config import ConsensusConfig
from relayer.consensus.findings import Finding, Severity
from relayer.contracts import Build
from relayer.endpoint.plan import DeploymentPlan
from relayer.endpoint.steps import Step, StepKind
from relayer.views.encoding import to_plain
from relayer.views.plan import PlanOutcomeView, SavedEndpointView, plan_view


class Keys(ConsensusConfig, msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a kind of consensus."""

    kind: str = "made-up"
    signer: bytes


@pytest.mark.parametrize(("severity", "refused"), [(Severity.WARNING, False), (Severity.REFUSAL, True)])
def test_a_plan_shows_its_steps_with_their_cost_and_what_speaks_against_it(
    severity: Severity, *, refused: bool
) -> None:
    surveys: Any = {"court": SimpleNamespace(market=GasMarket(base_fee_wei=3, suggested_wei=2))}
    steps = (
        Step(StepKind.GATEWAY, "court", 1_000, build=Build.BASELINE),
        Step(StepKind.REGISTER, "court", 10, remote="port"),
    )
    plan = DeploymentPlan(
        steps, (Finding(severity, "court", "x"),), surveys, {}, {}, {"court": GasPrice(8, 2)}
    )
    saved = SavedEndpointView(
        gateway=b"\x01", genesis_hash=b"\x02", endpoint_id=b"\x03", consensus=Keys(signer=b"\x04")
    )
    outcome = PlanOutcomeView(plan=plan_view(plan), applied=False, endpoints={"court": saved})
    assert to_plain(outcome) == {
        "plan": {
            "refused": refused,
            "findings": [
                {
                    "severity": severity.value,
                    "subject": "court",
                    "found": "x",
                    "expected": "",
                    "advice": "",
                }
            ],
            "steps": [
                {
                    "chain": "court",
                    "kind": "gateway",
                    "remote": None,
                    "gas": 1_000,
                    "cost_wei": 5_000,
                    "build": "baseline",
                },
                {
                    "chain": "court",
                    "kind": "register",
                    "remote": "port",
                    "gas": 10,
                    "cost_wei": 50,
                    "build": None,
                },
            ],
        },
        "applied": False,
        "endpoints": {
            "court": {
                "gateway": "0x01",
                "genesis_hash": "0x02",
                "endpoint_id": "0x03",
                "consensus": {"kind": "made-up", "signer": "0x04"},
            }
        },
    }
