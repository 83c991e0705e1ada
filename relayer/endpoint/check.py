# SPDX-License-Identifier: MIT
"""Judges endpoints as they stand on their chains.

Whatever would let messages be forged, get lost or wait is reported before it happens. The functions that
judge are pure, but for what a kind has to ask its own chain; view.py and survey.py read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from light_clients.client import Status
from relayer.chains.evm.node import Node
from relayer.config import Config
from relayer.consensus.findings import Finding, Severity, has_refusal
from relayer.consensus.kind import ClientView, ConsensusKind
from relayer.consensus.registry import configured, kind_of
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.steps import ADMIN_ROLE, GUARDED_FUNCTIONS
from relayer.endpoint.survey import Survey, compare_chains, survey_chain
from relayer.endpoint.view import ADMIN_FUNCTIONS, EndpointView, RemoteView, view_endpoint

#: An admin's delay below this is worth a warning.
_SHORT_DELAY_S: Final = 86_400


async def check_endpoints(
    config: Config, manifest: Manifest, nodes: Mapping[str, Node], names: Sequence[str]
) -> tuple[Finding, ...]:
    """Check the endpoints of some chains, and how they are joined to the other configured ones.

    Nothing is written. Raises ChainUnavailable when a configured chain can't be asked.

    Args:
        config: the configuration.
        manifest: what was deployed from here; may be empty.
        nodes: of every configured chain.
        names: the chains whose endpoints are checked.
    """
    configured_names = list(config.chains)
    surveys = await asyncio.gather(
        *(survey_chain(nodes[name], config.chain(name)) for name in configured_names)
    )
    by_name = dict(zip(configured_names, surveys, strict=True))
    findings = [finding for name in names for finding in by_name[name].findings]
    findings += compare_chains(surveys)
    for name in names:
        view = await view_endpoint(config, manifest, nodes[name], name)
        if view is None:
            advice = f"Run `postroad endpoint deploy {name}`, or write its gateway into the config."
            findings.append(Finding(Severity.REFUSAL, name, "no endpoint", "a gateway", advice))
            continue
        findings += judge_endpoint(view)
        if view.is_gateway:
            findings += await _judge_joins(config, view, by_name, nodes)
    return tuple(findings)


def judge_endpoint(view: EndpointView) -> list[Finding]:
    """Judge one endpoint by itself: its code, its id, and who may change it."""
    name = view.name
    if not view.is_gateway:
        found = f"other code, or none, at 0x{view.located.gateway.hex()}"
        advice = (
            "The chain was reset, the address is wrong, or another version was deployed: don't relay to it."
        )
        return [Finding(Severity.REFUSAL, name, found, "the Gateway of this version", advice)]
    findings = [
        Finding(Severity.OK, name, f"gateway 0x{view.located.gateway.hex()}, the code of this version")
    ]
    if view.own_id != view.located.endpoint_id:
        found = f"endpoint id 0x{view.own_id.hex()}"
        advice = "It was deployed with another genesis hash than the chain has: deploy it anew."
        findings.append(Finding(Severity.REFUSAL, name, found, f"0x{view.located.endpoint_id.hex()}", advice))
    if not view.is_manager:
        found = f"the authority 0x{view.authority.hex()}, whose code is unknown"
        advice = "Find out who controls it: it can replace light clients, so it can forge."
        return [*findings, Finding(Severity.REFUSAL, name, found, "OpenZeppelin's AccessManager", advice)]
    for function in ADMIN_FUNCTIONS:
        if view.function_roles[function] != ADMIN_ROLE:
            found = f"{function} for role {view.function_roles[function]}"
            advice = "Give it back to the admin: setTargetFunctionRole."
            findings.append(Finding(Severity.REFUSAL, name, found, "for the admin alone", advice))
    for admin in view.admins:
        if admin.delay_s == 0:
            found = f"the admin 0x{admin.account.hex()} without a delay"
            advice = f"Finish with `postroad endpoint deploy {name}`, or grant the role again with a delay."
            findings.append(Finding(Severity.REFUSAL, name, found, "a delay before every change", advice))
        elif admin.delay_s < _SHORT_DELAY_S:
            found = f"the admin 0x{admin.account.hex()} with a delay of {admin.delay_s} s"
            advice = "Less than a day leaves little time to see a bad change coming."
            findings.append(Finding(Severity.WARNING, name, found, f"at least {_SHORT_DELAY_S} s", advice))
        else:
            text = f"admin 0x{admin.account.hex()}, each change waits {admin.delay_s} s"
            findings.append(Finding(Severity.OK, name, text))
    if not view.guardians or any(
        view.function_roles[function] == ADMIN_ROLE for function in GUARDED_FUNCTIONS
    ):
        advice = "Without one nobody can stop a lane at once."
        findings.append(Finding(Severity.WARNING, name, "no guardian", "somebody who may pause", advice))
    return findings


async def judge_client(
    subject: str, view: EndpointView, remote: RemoteView, survey: Survey, config: Config, node: Node
) -> list[Finding]:
    """Judge a light client against the chain that it follows.

    Args:
        subject: how the findings name the client.
        view: the endpoint that it belongs to.
        remote: the remote endpoint, with the client.
        survey: of the chain that the client follows, as it shows itself now.
        config: the configuration.
        node: of the chain that the client follows.
    """
    client, chain = remote.client, config.chain(remote.name)
    kind = kind_of(chain)
    contract = kind.contract_of(chain.consensus)
    if client is None:
        found = f"other code, or none, at the light client's address 0x{remote.client_address.hex()}"
        advice = "Whoever wrote that code decides what is believed: replace the client."
        return [Finding(Severity.REFUSAL, subject, found, f"the {contract} of this version", advice)]
    if client.contract != contract:
        advice = "It can't believe any header of that chain: replace the client, or correct the consensus."
        expected = f"a {contract} ({chain.consensus.label})"
        return [Finding(Severity.REFUSAL, subject, f"a {client.contract}", expected, advice)]
    findings = []
    if client.authority != view.authority:
        found = f"the client's authority 0x{client.authority.hex()}"
        advice = "Another authority can bootstrap it anew, so it can forge: replace the client."
        findings.append(Finding(Severity.REFUSAL, subject, found, f"0x{view.authority.hex()}", advice))
    findings += _judge_trust(subject, view.now, client, kind)
    if (client.trusting_period_s, client.max_clock_drift_s) != (
        chain.trusting_period_s,
        chain.max_clock_drift_s,
    ):
        found = f"trusting period {client.trusting_period_s} s, clock drift {client.max_clock_drift_s} s"
        expected = f"{chain.trusting_period_s} s and {chain.max_clock_drift_s} s, as configured"
        advice = "Correct the config: the deployed client can't be changed, only replaced."
        findings.append(Finding(Severity.WARNING, subject, found, expected, advice))
    # Kinds prove words in different ways, which are not equally strong, so people are told which one it is.
    text = f"each word of {remote.name} is proven by {kind.proves.value}, under a header that {kind.signers} signed"
    findings.append(Finding(Severity.OK, subject, text))
    followed = configured(remote.name, chain)
    proven = await kind.endpoint.prove_trust(subject, node, followed, client)
    findings += proven
    if has_refusal(proven):
        # How far behind a set is that never existed would only mislead.
        return findings
    return findings + kind.endpoint.judge(subject, view.name, client, followed, survey.trust)


def _judge_trust(subject: str, now: int, client: ClientView, kind: ConsensusKind) -> list[Finding]:
    left_s = client.timestamp + client.trusting_period_s - now
    if client.status is Status.FROZEN:
        advice = f"{kind.misbehaviour} Find out why; then the admin bootstraps it again."
        return [Finding(Severity.REFUSAL, subject, "a frozen client", "an active one", advice)]
    if client.status is Status.EXPIRED:
        advice = "The admin bootstraps it again. A running relayer refreshes clients in time."
        return [
            Finding(Severity.REFUSAL, subject, f"a client expired {-left_s} s ago", "an active one", advice)
        ]
    if left_s < client.trusting_period_s // 3:
        advice = "Is a relayer running? It refreshes clients before a third is left."
        found = f"a client that expires in {left_s} s"
        return [
            Finding(Severity.WARNING, subject, found, f"more than {client.trusting_period_s // 3} s", advice)
        ]
    return []


async def _judge_joins(
    config: Config, view: EndpointView, surveys: Mapping[str, Survey], nodes: Mapping[str, Node]
) -> list[Finding]:
    served = {(lane.source, lane.destination) for lane in config.served_lanes()}
    findings: list[Finding] = []
    for name in config.chains:
        if name == view.name:
            continue
        subject, remote = f"{name} → {view.name}", view.remote(name)
        if remote is None:
            if (name, view.name) in served or (view.name, name) in served:
                advice = f"Run `postroad endpoint register {view.name} {name}`, or take the lane out of the config."
                # A lane that the file lists has to work. Without a list every pair counts as served.
                severity = Severity.WARNING if config.lanes is None else Severity.REFUSAL
                findings.append(Finding(severity, subject, "not joined", "a registered remote", advice))
            continue
        if remote.is_retired:
            advice = "It was given up for good; what it sent before can still be delivered."
            findings.append(Finding(Severity.WARNING, subject, "retired", "", advice))
        if remote.is_paused:
            advice = "The admin can lift it (unpauseRemote), after the delay."
            findings.append(Finding(Severity.WARNING, subject, "paused", "not paused", advice))
        findings += await judge_client(subject, view, remote, surveys[name], config, nodes[name])
    return findings
