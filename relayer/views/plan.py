# SPDX-License-Identifier: MIT
"""A plan: what a deployment found and what it would send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from relayer.config import ConsensusConfig
from relayer.views.finding import FindingView, finding_view

if TYPE_CHECKING:
    from relayer.endpoint.plan import DeploymentPlan


class PlanStepView(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction of a plan.

    `remote` is the other chain where there is one, `gas` about what it takes at most, and `build` which build
    of a contract it deploys where it deploys one.
    """

    chain: str
    kind: str
    remote: str | None
    gas: int
    cost_wei: int
    build: str | None


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    """A plan. `refused` says that a finding forbids it; `steps` are in the order in which they are sent."""

    refused: bool
    findings: tuple[FindingView, ...]
    steps: tuple[PlanStepView, ...]


class SavedEndpointView(msgspec.Struct, frozen=True, kw_only=True):
    """A new endpoint as it was written into the configuration; `consensus` has the keys of its kind."""

    gateway: bytes
    genesis_hash: bytes
    endpoint_id: bytes
    consensus: ConsensusConfig


class PlanOutcomeView(msgspec.Struct, frozen=True, kw_only=True):
    """A plan and what came of it.

    Attributes:
        plan: what was planned.
        applied: whether its transactions were sent.
        endpoints: by chain, what was written into the configuration just now.
    """

    plan: PlanView
    applied: bool
    endpoints: Mapping[str, SavedEndpointView]


def plan_view(plan: DeploymentPlan) -> PlanView:
    """Return the view of a plan."""
    steps = (
        PlanStepView(
            chain=step.chain,
            kind=step.kind.value,
            remote=step.remote or None,
            gas=step.gas,
            cost_wei=plan.cost_wei(step),
            build=None if step.creates is None else step.build.value,
        )
        for step in plan.steps
    )
    findings = tuple(finding_view(finding) for finding in plan.findings)
    return PlanView(refused=plan.is_refused, findings=findings, steps=tuple(steps))
