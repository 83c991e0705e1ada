# SPDX-License-Identifier: MIT
"""What `client bootstrap` and `client replace` want. Both change what an endpoint believes.

A kind of consensus says what trust begins with, and encodes it. A survey of the chain is hearsay, so it is
verified from the configured bootstrap where there is one, and people compare it where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from light_clients.client import Status
from relayer.chains.evm.contract_reader import address_of
from relayer.config import Config
from relayer.consensus.findings import Finding, Severity, has_refusal
from relayer.consensus.kind import ClientView, TrustStart
from relayer.consensus.registry import configured, kind_of, view_client
from relayer.contracts import load
from relayer.endpoint.administration.decisions import (
    Change,
    describe_arguments,
    find_operations,
    identity_of,
)
from relayer.endpoint.administration.remotes import find_remote
from relayer.endpoint.administration.site import NotAdministrable, Site, Wanted, first_block
from relayer.endpoint.check import judge_anchor, judge_client
from relayer.endpoint.creation import find_creation, judge_creation
from relayer.endpoint.plan import follow_bootstraps, plan_client
from relayer.endpoint.survey import Survey, survey_chain, with_rules
from relayer.endpoint.view import RemoteView


async def bootstrap_client(site: Site, source: str, *, force: bool = False, cancel: bool = False) -> Wanted:
    """Choose anew what the light client of a chain trusts.

    Args:
        site: the endpoint that the client belongs to.
        source: the chain that it follows.
        force: also where the client is active.
        cancel: whether one that is scheduled is only to be found.

    Raises:
        NotAdministrable: there is no such remote, or its client is none that a bootstrap can help.
        ChainUnavailable: a chain can't be asked.
    """
    remote, kind = await find_remote(site, source), kind_of(site.config.chain(source))
    contract = kind.contract_of(site.config.chain(source).consensus)
    client = _require_client(site, remote, contract)
    selector = load(contract).selector("bootstrap")
    change = Change(
        name="client bootstrap",
        effect=f"the light client of {source} on {site.name} trusts {source} anew",
        contract=contract,
        target=client.address,
        data=selector,
        identity=len(selector),
        is_exact=False,
    )
    scheduled = find_operations(change, site.access.operations)
    if scheduled:
        # What was compared when it was scheduled is what is executed.
        text = describe_arguments(contract, scheduled[0].data)
        compare = (f"As it was scheduled, the client on {site.name} will trust:", f"  {text}")
        return Wanted((replace(change, data=scheduled[0].data, compare=compare),))
    if cancel:
        return Wanted((change,))
    if client.status is Status.ACTIVE and not force:
        done = (
            f"the client is active and trusts height {client.height}: `postroad client update {source} {site.name}` "
            "moves it, and --force chooses its trust anew all the same"
        )
        return Wanted((replace(change, done=done),))
    surveyed = await _survey(site, source)
    if surveyed.trust is None:
        return Wanted((), surveyed.findings)
    data = kind.on_chain.bootstrap_call(
        configured(source, surveyed.config.chain(source)), surveyed.trust.record()
    )
    change = replace(
        change,
        data=data,
        compare=tuple(surveyed.trust.describe(site.name, source)),
        valid_for_s=client.trusting_period_s,
    )
    return Wanted((change,), surveyed.findings, config=surveyed.config)


async def replace_client(
    site: Site,
    source: str,
    *,
    address: bytes | None = None,
    force: bool = False,
    cancel: bool = False,
) -> Wanted:
    """Let an endpoint believe a chain by another light client.

    Args:
        site: the endpoint.
        source: the chain that is followed.
        address: of the new client, 20 bytes. None: one that an earlier run has scheduled or deployed, else
            one that is deployed now.
        force: also where the registered client is good.
        cancel: whether a replacement that is scheduled is only to be found.

    Raises:
        NotAdministrable: there is no such remote.
        ChainUnavailable: a chain can't be asked.
    """
    remote = await find_remote(site, source)
    candidate = address or _scheduled_client(site, remote)
    change = _replacement(site, remote, candidate, is_exact=address is not None)
    if cancel:
        return Wanted((change,))
    if candidate == remote.client_address:
        done = f"0x{candidate.hex()} is the light client of {source} on {site.name} already"
        return Wanted((replace(change, done=done),))
    surveyed = await _survey(site, source)
    if candidate is None and not force:
        judged = await _judge(site, remote, surveyed)
        if not has_refusal(judged):
            done = (
                f"the light client of {source} on {site.name} is good; --client names another one, and --force deploys "
                "one all the same"
            )
            return Wanted((replace(change, done=done),), tuple(judged))
    if candidate is None:
        candidate = await _deployed_before(site, remote)
    if candidate is None:
        return await _deploy(site, remote, surveyed)
    view = await view_client(site.reader, candidate)
    change = _replacement(site, remote, candidate, is_exact=address is not None)
    if view is not None:
        left_s = view.timestamp + view.trusting_period_s - site.view.now
        change = replace(change, compare=_describe(site, source, view), valid_for_s=max(0, left_s))
    judged = await _judge(site, replace(remote, client_address=candidate, client=view), surveyed)
    return Wanted((change,), tuple(judged), config=surveyed.config)


async def _deploy(site: Site, remote: RemoteView, surveyed: _Surveyed) -> Wanted:
    """Return the deployment of a light client, and that it replaces the registered one."""
    trust = surveyed.trust
    if trust is None:
        return Wanted((), surveyed.findings)
    step, found = await plan_client(
        surveyed.config, site.reader.node, site.name, remote.name, trust, site.view.authority
    )
    change = replace(
        _replacement(site, remote, None, is_exact=False),
        is_provisional=True,
        compare=tuple(trust.describe(site.name, remote.name)),
        valid_for_s=site.config.chain(remote.name).trusting_period_s,
    )
    findings = (*surveyed.findings, *found, *_judge_authority(site))
    return Wanted((change,), findings, step, surveyed.config)


def _scheduled_client(site: Site, remote: RemoteView) -> bytes | None:
    """Return the light client that a scheduled replacement names; None where none is scheduled."""
    scheduled = find_operations(_replacement(site, remote, None, is_exact=False), site.access.operations)
    if not scheduled:
        return None
    call = load("Gateway").decode_call(scheduled[0].data)
    return None if call is None else address_of(call.arguments["client"])


@dataclass(frozen=True, slots=True)
class _Surveyed:
    """A chain as it shows itself; `trust` is None where a finding forbids to begin with it."""

    survey: Survey
    config: Config
    trust: TrustStart[Any] | None
    findings: tuple[Finding, ...]


async def _survey(site: Site, source: str) -> _Surveyed:
    survey = await survey_chain(site.nodes[source], site.config.chain(source))
    surveys = {source: survey}
    config = with_rules(site.config, surveys)
    trusts, followed = await follow_bootstraps(config, surveys)
    findings = (*survey.findings, *followed)
    trust = None if has_refusal(findings) else trusts.get(source)
    return _Surveyed(survey, config, trust, findings)


def _require_client(site: Site, remote: RemoteView, contract: str) -> ClientView:
    client = remote.client
    advice = f"A bootstrap can't help: `postroad client replace {remote.name} {site.name}`."
    if client is None or client.contract != contract:
        code = "other code, or none," if client is None else f"a {client.contract}"
        raise NotAdministrable(f"{code} at 0x{remote.client_address.hex()}", f"a {contract}", advice)
    if client.authority != site.view.authority:
        raise NotAdministrable(
            f"a light client that obeys 0x{client.authority.hex()}",
            f"0x{site.view.authority.hex()}, which {site.name} obeys",
            advice,
        )
    return client


def _replacement(site: Site, remote: RemoteView, address: bytes | None, *, is_exact: bool) -> Change:
    """Return the change; without an address (20 bytes) of a light client that is deployed first."""
    which = "a light client that is deployed first" if address is None else f"0x{address.hex()}"
    return Change(
        name="client replace",
        effect=f"{site.name} believes {remote.name} by {which}, and no more by 0x{remote.client_address.hex()}",
        contract="Gateway",
        target=site.gateway,
        data=load("Gateway").encode_call("replaceClient", remote.endpoint_id, address or bytes(20)),
        identity=identity_of(1),
        is_exact=is_exact,
    )


async def _judge(site: Site, remote: RemoteView, surveyed: _Surveyed) -> list[Finding]:
    """Judge a light client as `endpoint check` does: what it trusts, what it anchored, and who made it."""
    subject, node = f"{remote.name} → {site.name}", site.nodes[remote.name]
    findings = await judge_client(subject, site.view, remote, surveyed.survey, surveyed.config, node)
    client = remote.client
    if client is None:
        return findings
    record = site.manifest.get(site.name)
    kept = None if record is None else record.clients.get(remote.name)
    deployed = None if kept is None else kept.contract
    creation = await find_creation(site.reader.node, client.contract, client.address, deployed)
    findings.append(judge_creation(subject, "light client", creation))
    return findings + await judge_anchor(subject, site.reader, client, node)


def _judge_authority(site: Site) -> list[Finding]:
    """Refuse to deploy a light client that would obey another authority than the gateway does now."""
    record = site.manifest.get(site.name)
    kept = None if record is None or record.authority is None else bytes(record.authority.address)
    if kept in (None, site.view.authority):
        return []
    assert kept is not None
    advice = f"Take {site.name} out of {site.manifest.path}: it is read from the chain then."
    found, expected = f"the authority 0x{kept.hex()} in the manifest", f"0x{site.view.authority.hex()}"
    return [Finding(Severity.REFUSAL, site.name, found, expected, advice)]


async def _deployed_before(site: Site, remote: RemoteView) -> bytes | None:
    """Return the light client that a run which was cut short has deployed for this; None where there is none.

    It is in the manifest, still active, and was never registered: one that was is a former one.
    """
    record = site.manifest.get(site.name)
    kept = None if record is None else record.clients.get(remote.name)
    if kept is None:
        return None
    address = bytes(kept.contract.address)
    names = ("RemoteRegistered", "ClientReplaced")
    events = await site.reader.events(site.gateway, "Gateway", names, first_block(site), remote.endpoint_id)
    former = {remote.client_address, *(address_of(event.arguments["client"]) for event in events)}
    view = None if address in former else await view_client(site.reader, address)
    is_ready = view is not None and view.status is Status.ACTIVE
    return address if is_ready else None


def _describe(site: Site, source: str, client: ClientView) -> tuple[str, ...]:
    details = ", ".join(
        f"{name}: {'0x' + value.hex() if isinstance(value, bytes) else value}"
        for name, value in client.details().items()
    )
    return (
        f"On {site.name}, trust in {source} goes on from height {client.height} of the client 0x{client.address.hex()}.",
        "Compare what it trusts with what the chain's owners say:",
        f"  {details}",
    )
