# SPDX-License-Identifier: MIT
"""Judges endpoints as they stand on their chains.

Whatever would let messages be forged, get lost or wait is reported before it happens. view.py, access.py,
creation.py and survey.py read; what judges is pure, but for what is compared with a client's own chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from light_clients.client import Status
from relayer.chains.evm.contract_reader import ContractReader
from relayer.chains.evm.node import Node
from relayer.config import Config
from relayer.consensus.findings import Finding, Severity, has_refusal
from relayer.consensus.kind import ClientView, ConsensusKind
from relayer.consensus.registry import configured, kind_of
from relayer.contracts import load
from relayer.endpoint.access import AccessView, read_access, targets_of
from relayer.endpoint.access_rules import judge_access
from relayer.endpoint.creation import Creation, find_creation, judge_creation
from relayer.endpoint.former import judge_former, read_former
from relayer.endpoint.manifest import Manifest, Record
from relayer.endpoint.steps import locate, register_call
from relayer.endpoint.survey import Survey, compare_chains, survey_chain
from relayer.endpoint.view import EndpointView, RemoteView, view_endpoint, view_unlisted
from relayer.errors import RpcAnswerInvalid, RpcRefused
from relayer.protocol.interop_address import ChainId


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found, and who may do what, by the chain's name where it could be read."""

    findings: tuple[Finding, ...]
    access: Mapping[str, AccessView]


async def check_endpoints(
    config: Config, manifest: Manifest, nodes: Mapping[str, Node], names: Sequence[str]
) -> tuple[Finding, ...]:
    """Return the findings of `examine_endpoints`, which takes the same and raises the same."""
    return (await examine_endpoints(config, manifest, nodes, names)).findings


async def examine_endpoints(
    config: Config, manifest: Manifest, nodes: Mapping[str, Node], names: Sequence[str]
) -> Checked:
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
    access: dict[str, AccessView] = {}
    for name in names:
        view = await view_endpoint(config, manifest, nodes[name], name)
        if view is None:
            advice = f"Run `postroad endpoint deploy {name}`, or write its gateway into the config."
            findings.append(Finding(Severity.REFUSAL, name, "no endpoint", "a gateway", advice))
            continue
        record = manifest.get(name)
        findings += judge_endpoint(view, record)
        if view.is_gateway:
            examination = _Examination(config, manifest, nodes, view)
            findings += await examination.run(by_name)
            if examination.access is not None:
                access[name] = examination.access
    return Checked(tuple(findings), access)


def judge_endpoint(view: EndpointView, record: Record | None = None) -> list[Finding]:
    """Judge one endpoint by itself: its code, its id, and whom it obeys; `record` is the manifest's."""
    name = view.name
    if not view.is_gateway:
        found = f"other code, or none, at 0x{view.located.gateway.hex()}"
        advice = (
            "The chain was reset, the address is wrong, or another version was deployed: don't relay to it."
        )
        return [Finding(Severity.REFUSAL, name, found, "the Gateway of this version", advice)]
    build = "" if view.build is None else f" ({view.build.value} build)"
    text = f"gateway 0x{view.located.gateway.hex()}, the code of this version{build}"
    findings = [Finding(Severity.OK, name, text)]
    if view.own_id != view.located.endpoint_id:
        found = f"endpoint id 0x{view.own_id.hex()}"
        advice = "It was deployed with another genesis hash than the chain has: deploy it anew."
        findings.append(Finding(Severity.REFUSAL, name, found, f"0x{view.located.endpoint_id.hex()}", advice))
    if not view.is_manager:
        found = f"the authority 0x{view.authority.hex()}, whose code is unknown"
        advice = "Find out who controls it: it can replace light clients, so it can forge."
        findings.append(Finding(Severity.REFUSAL, name, found, "OpenZeppelin's AccessManager", advice))
    deployed = None if record is None else record.authority
    if deployed is not None and bytes(deployed.address) != view.authority:
        found = f"the authority 0x{view.authority.hex()}"
        advice = "Somebody gave the gateway to another AccessManager: find out who, before you relay to it."
        expected = f"0x{deployed.address.hex()}, the one of the manifest"
        findings.append(Finding(Severity.REFUSAL, name, found, expected, advice))
    return findings


class _Examination:
    """What is asked of one endpoint: how its contracts were made, who may do what, and each remote.

    `access` is there once it was run; None where the authority is no AccessManager.
    """

    def __init__(
        self, config: Config, manifest: Manifest, nodes: Mapping[str, Node], view: EndpointView
    ) -> None:
        self.access: AccessView | None = None
        self._config = config
        self._manifest = manifest
        self._record = manifest.get(view.name)
        self._nodes = nodes
        self._view = view
        self._reader = ContractReader(nodes[view.name])

    async def run(self, surveys: Mapping[str, Survey]) -> list[Finding]:
        """Ask and judge; `surveys` are those of all configured chains."""
        view, record = self._view, self._record
        deployed = None if record is None else record.gateway
        gateway = await find_creation(self._reader.node, "Gateway", view.located.gateway, deployed)
        findings = [judge_creation(view.name, "gateway", gateway)]
        others = await view_unlisted(self._reader, view, gateway.block_number or 0)
        clients = {
            remote.client_address: await self._client_creation(remote)
            for remote in (*view.remotes, *others)
            if remote.client is not None
        }
        if view.is_manager:
            findings += await self._judge_manager(others)
        findings += await self._judge_joins(surveys, clients)
        named = {str(ChainId.evm(chain.chain_id)): name for name, chain in self._config.chains.items()}
        former = await read_former(self._reader.node, view.located, record)
        for name, survey in surveys.items():
            located = None if name == view.name else locate(self._config, self._manifest, name)
            if located is not None:
                seen = view.remote(name)
                client = None if seen is None else seen.client
                findings += judge_former(f"{name} → {view.name}", former, located, survey, client)
        for remote in others:
            findings += _judge_unlisted(view, remote, clients.get(remote.client_address), named)
        return findings

    async def _judge_manager(self, others: Sequence[RemoteView]) -> list[Finding]:
        view, record, name = self._view, self._record, self._view.name
        deployed = None if record is None else record.authority
        creation = await find_creation(self._reader.node, "AccessManager", view.authority, deployed)
        owners = self._config.endpoints
        accounts = {account for account in (owners.admin, owners.guardian, owners.channel_opener) if account}
        targets, first = targets_of(view, others), creation.block_number or 0
        self.access = await read_access(self._reader, view.authority, targets, first, accounts)
        return [
            judge_creation(name, "manager", creation),
            *judge_access(name, self.access, owners.admin_delay_s, self._planned()),
        ]

    def _planned(self) -> set[tuple[bytes, bytes]]:
        """Return the registrations that this configuration would schedule."""
        remotes = () if self._record is None else self._record.clients
        return {
            (
                self._view.located.gateway,
                register_call(self._config, self._manifest, self._view.name, remote),
            )
            for remote in remotes
            if remote in self._config.chains and locate(self._config, self._manifest, remote) is not None
        }

    async def _client_creation(self, remote: RemoteView) -> Creation:
        assert remote.client is not None
        kept = None if self._record is None else self._record.clients.get(remote.name)
        deployed = None if kept is None else kept.contract
        return await find_creation(self._reader.node, remote.client.contract, remote.client_address, deployed)

    async def _judge_joins(
        self, surveys: Mapping[str, Survey], clients: Mapping[bytes, Creation]
    ) -> list[Finding]:
        config, view = self._config, self._view
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
                advice = (
                    "Another endpoint speaks for its chain: it delivers nothing any more."
                    if remote.is_succeeded
                    else f"What it sent by its block {remote.last_height} can be delivered until another endpoint is "
                    "registered for its chain. The admin can reinstate it till then."
                )
                findings.append(Finding(Severity.WARNING, subject, "retired", "", advice))
            if remote.is_paused:
                advice = "The admin can lift it (`postroad remote unpause`), after the delay."
                findings.append(Finding(Severity.WARNING, subject, "paused", "not paused", advice))
            findings += await judge_client(subject, view, remote, surveys[name], config, self._nodes[name])
            if remote.client is not None:
                findings.append(judge_creation(subject, "light client", clients[remote.client_address]))
                findings += await judge_anchor(subject, self._reader, remote.client, self._nodes[name])
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


async def judge_anchor(subject: str, reader: ContractReader, client: ClientView, node: Node) -> list[Finding]:
    """Compare a client's anchored root with the chain's own at that height; `node` is that chain's.

    Clients without an anchor of their own have nothing to compare.
    """
    if "anchored" not in load(client.contract).functions:
        return []
    root, height, _ = await reader.ask(client.address, client.contract, "anchored")
    if height == 0:
        return []
    try:
        own = (await node.block(height)).get("stateRoot")
    except (RpcAnswerInvalid, RpcRefused) as error:
        # A height that no node shows is what a forger would choose.
        advice = (
            f"Name a provider with the whole chain in chains.{node.name}.rpc, and check again. If the chain has no such "
            "block, pause the remote, and replace the client: whoever made the root up proves whatever they like."
        )
        found = f"an anchored root that can't be compared with block {height}: {error}"
        return [Finding(Severity.REFUSAL, subject, found, "the block's own state root", advice)]
    if own != "0x" + root.hex():
        found = f"the anchored root 0x{root.hex()} of height {height}"
        advice = "Whoever made it up proves whatever they like: pause the remote, and replace the client."
        return [Finding(Severity.REFUSAL, subject, found, f"the block's own, {str(own)[:66]}", advice)]
    return [Finding(Severity.OK, subject, f"the anchored root is that of block {height}")]


def _judge_unlisted(
    view: EndpointView, remote: RemoteView, creation: Creation | None, named: Mapping[str, str]
) -> list[Finding]:
    """Judge a registered remote that the configuration does not name, so that its chain can't be asked.

    `named` has the names of the configured chains, this one among them, by their chain ids (CAIP-2).
    """
    subject = f"{remote.name} → {view.name}"
    advice = (
        "Whoever controls its light client sends in that chain's name. Add the chain to the config to have its client "
        "compared with it, or retire the remote."
    )
    if remote.client is None:
        found = (
            f"a registered remote whose light client 0x{remote.client_address.hex()} has other code, or none"
        )
        return [Finding(Severity.REFUSAL, subject, found, "a light client of this version", advice)]
    found = (
        f"a registered remote that the config does not name, with the client 0x{remote.client_address.hex()}"
    )
    findings = [Finding(Severity.WARNING, subject, found, "a configured chain", advice)]
    same = named.get(remote.chain)
    # Until it has a successor, a retired endpoint delivers what it sent.
    if same is not None and not remote.is_paused and not remote.is_succeeded:
        found = f"another endpoint than the config's speaks in the name of {same} ({remote.chain})"
        mend = "Recipients can't tell the two apart: pause it (`postroad remote pause`), find out who registered it, and retire it."
        findings.append(Finding(Severity.REFUSAL, subject, found, "the endpoint of the config alone", mend))
    if remote.client.authority != view.authority:
        other = f"the client's authority 0x{remote.client.authority.hex()}"
        findings.append(Finding(Severity.REFUSAL, subject, other, f"0x{view.authority.hex()}", advice))
    return findings if creation is None else [*findings, judge_creation(subject, "light client", creation)]
