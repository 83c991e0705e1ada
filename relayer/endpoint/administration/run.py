# SPDX-License-Identifier: MIT
"""Plans what a command wants, and sends it.

What is sent goes the way of a deployment: through the one sender, each signed transaction first in the
manifest. A command that was killed is run again: it waits for what it left open, looks at the chain, and goes
on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from relayer.chains.evm.node import Node
from relayer.config import Config
from relayer.consensus.findings import Finding, Severity, has_refusal
from relayer.endpoint.access import read_access_of
from relayer.endpoint.administration.decisions import (
    SENDING_ACTS,
    Act,
    Change,
    ChangeDecision,
    Permission,
    call_of,
    decide,
    find_operations,
    permission_of,
)
from relayer.endpoint.administration.site import Site, Wanted
from relayer.endpoint.apply import OpenChain, PlanRefused, Tell, mend_earlier, open_with_key, running
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.plan import adopt
from relayer.endpoint.steps import Step, StepKind
from relayer.errors import CallReverted
from relayer.keys import Key

#: What a call takes that can't be estimated yet, because it names a contract that is deployed first.
_LATER_GAS: Final = 120_000


@dataclass(frozen=True, slots=True)
class AdministrationPlan:
    """What is done next, for people to see before anything is sent.

    Attributes:
        site: the endpoint.
        account: who sends, 20 bytes.
        decisions: one for each change.
        findings: what speaks for and against it.
        steps: the transactions, in their order. What waits for a deployment is not among them.
        gas: about what they take, and those that come after a deployment.
    """

    site: Site
    account: bytes
    decisions: tuple[ChangeDecision, ...]
    findings: tuple[Finding, ...]
    steps: tuple[Step, ...]
    gas: int = 0

    @property
    def is_refused(self) -> bool:
        """Whether a finding forbids to send anything."""
        return has_refusal(self.findings)

    @property
    def is_deploying(self) -> bool:
        """Whether a contract is deployed first."""
        return any(step.creates for step in self.steps)


async def make_administration_plan(
    site: Site, wanted: Wanted, account: bytes, *, cancel: bool = False, only_deploy: bool = False
) -> AdministrationPlan:
    """Decide what is done next for what a command wants.

    Args:
        site: the endpoint.
        wanted: the changes.
        account: who would send, 20 bytes.
        cancel: whether the changes are to be taken back, where they are scheduled.
        only_deploy: whether only what comes first is deployed, for which anybody can pay.

    Raises:
        ChainUnavailable: the chain can't be asked.
    """
    decisions = []
    for change in wanted.changes:
        if only_deploy:
            decisions.append(ChangeDecision(change, Act.NOTHING, Permission(None, is_immediate=False), None))
            continue
        permission = permission_of(change, site.access, account)
        operations, now = site.access.operations, site.access.now
        decisions.append(decide(change, permission, operations, account, now, cancel=cancel))
    # What speaks against a change speaks for taking it back.
    found = () if cancel else wanted.findings
    # Of several changes one warning is enough.
    told = (finding for decision in decisions for finding in decision.findings)
    findings = list(dict.fromkeys([*found, *told]))
    steps = [] if wanted.deployment is None or cancel else [wanted.deployment]
    gas = sum(step.gas for step in steps)
    for decision in decisions:
        if decision.act not in SENDING_ACTS:
            continue
        if decision.change.is_provisional and decision.act is not Act.CANCEL:
            gas += _LATER_GAS
            continue
        if has_refusal(findings):
            continue
        call = call_of(decision, site.view.authority, account)
        text = f"{decision.act.value} {decision.change.name}: {decision.change.effect}"
        try:
            step_gas = await site.nodes[site.name].estimate(*call, account)
        except CallReverted as error:
            advice = "Look at it with `postroad endpoint check`; nothing was sent."
            finding = Finding(
                Severity.REFUSAL, decision.change.name, error.found, "a call that works", advice
            )
            findings.append(finding)
            continue
        steps.append(Step(StepKind.ADMINISTER, site.name, step_gas, text, call=call))
        gas += step_gas
    if wanted.config is not None:
        site = replace(site, config=wanted.config)
    return AdministrationPlan(site, account, tuple(decisions), tuple(findings), tuple(steps), gas)


def find_senders(site: Site, change: Change) -> tuple[bytes, ...]:
    """Return the accounts that may make a change: those with its role, or its owner."""
    if change.owner is not None:
        return (change.owner,)
    role = permission_of(change, site.access, b"").role
    assert role is not None
    return tuple(member.account for member in role.members)


async def find_scheduled(site: Site, changes: Iterable[Change]) -> dict[bytes, int]:
    """Return from which second on the changes that are scheduled now can be executed, by their calldata."""
    access = await read_access_of(site.nodes[site.name], site.manifest, site.view)
    found = (operation for change in changes for operation in find_operations(change, access.operations))
    return {operation.data: operation.ready_at for operation in found}


async def finish_earlier(
    config: Config,
    manifest: Manifest,
    nodes: Mapping[str, Node],
    name: str,
    key: Key,
    tell: Tell,
    *,
    open_chain: OpenChain = open_with_key,
) -> None:
    """Take up what an earlier run has left open, and put the endpoint into the manifest if it isn't there.

    Takes and raises what `relayer.endpoint.apply.apply_plan` does, for one chain.
    """
    node = nodes[name]
    genesis_hash = await node.genesis_hash()
    await adopt(config, manifest, node, name, genesis_hash)
    await mend_earlier(config, manifest, {name: node}, {name: key}, tell, open_chain=open_chain)
    record = manifest.get(name)
    if record is None or not record.pending:
        return
    async with running(config, manifest, node, key, name, genesis_hash, tell, open_chain) as runner:
        await runner.finish_administration()
        await runner.confirm()


async def apply_administration(
    plan: AdministrationPlan,
    key: Key,
    tell: Tell,
    *,
    open_chain: OpenChain = open_with_key,
) -> None:
    """Send a plan's transactions, one after another, and wait until each is in a block.

    `finish_earlier` comes before the plan is made. Takes and raises what `relayer.endpoint.apply.apply_plan`
    does, for one chain.
    """
    if plan.is_refused:
        raise PlanRefused("the plan has findings that forbid it", "none", "Mend them, and run again.")
    site = plan.site
    record = site.manifest.get(site.name)
    assert record is not None
    async with running(
        site.config,
        site.manifest,
        site.nodes[site.name],
        key,
        site.name,
        bytes(record.genesis_hash),
        tell,
        open_chain,
    ) as runner:
        await runner.take_up()
        for number, step in enumerate(plan.steps, 1):
            await runner.run(step, number, len(plan.steps))
        await runner.confirm()
