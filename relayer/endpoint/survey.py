# SPDX-License-Identifier: MIT
"""What a chain says of itself, read and judged before anything is deployed on it. All of it is hearsay."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import msgspec

from relayer.chains.base import GasMarket
from relayer.chains.evm.node import Node
from relayer.config import ChainConfig, Config
from relayer.consensus.findings import Finding, Severity
from relayer.consensus.kind import TrustStart
from relayer.consensus.registry import configured, kind_of
from relayer.contracts import Build
from relayer.endpoint.probes import ProbeResult, build_for, probe_rules


@dataclass(frozen=True, slots=True)
class Survey:
    """One chain, read at its newest block.

    `trust` is what trust in the chain can begin with; it is None where the consensus is not the configured
    one, and `findings` say why.
    """

    name: str
    kind: str
    chain_id: int
    genesis_hash: bytes
    client_version: str
    trust: TrustStart[Any] | None
    block_gas_limit: int
    market: GasMarket
    probes: tuple[ProbeResult, ...]
    findings: tuple[Finding, ...]

    @property
    def build(self) -> Build | None:
        """The best build of our contracts that runs on the chain; None where none does."""
        return build_for(self.probes)


async def survey_chain(node: Node, chain: ChainConfig) -> Survey:
    """Read a chain, and judge what can be judged without other chains. Raises ChainUnavailable."""
    chain_id, genesis_hash, version, market, head, probes = await asyncio.gather(
        node.chain_id(),
        node.genesis_hash(),
        node.client_version(),
        node.market(),
        node.block("latest"),
        probe_rules(node),
    )
    findings: list[Finding] = []
    if chain_id != chain.chain_id:
        found, expected = f"chain id {chain_id}", f"{chain.chain_id} (chains.{node.name}.chain)"
        findings.append(_refuse(node.name, found, expected, "Correct the config, or the RPC URL."))
    if chain.genesis_hash is not None and genesis_hash != chain.genesis_hash:
        found, expected = f"genesis 0x{genesis_hash.hex()}", f"0x{chain.genesis_hash.hex()}"
        advice = "The chain was reset, or this is another one: a reset chain is a new endpoint, to be deployed anew."
        findings.append(_refuse(node.name, found, expected, advice))
    findings += judge_rules(node.name, probes)
    kind = kind_of(chain)
    trust, consensus = await kind.endpoint.survey(node, configured(node.name, chain), head)
    return Survey(
        name=node.name,
        kind=kind.name,
        chain_id=chain_id,
        genesis_hash=genesis_hash,
        client_version=version,
        trust=trust,
        block_gas_limit=int(str(head.get("gasLimit", "0x0")), 16),
        market=market,
        probes=probes,
        findings=(*findings, *consensus),
    )


def judge_rules(name: str, probes: Sequence[ProbeResult]) -> list[Finding]:
    """Say which build of our contracts a chain gets, and why; refuse a chain that runs none."""
    build = build_for(probes)
    missing = [result for result in probes if not result.holds]
    if build is None:
        advice = "Set the chain's fork to Istanbul or newer in its genesis file."
        return [
            _refuse(
                name,
                f"no {result.probe.rule} ({result.reason})",
                f"{result.probe.since} and newer rules",
                advice,
            )
            for result in missing
            if result.probe.build is Build.BASELINE
        ]
    found = f"the {build.value} build of the contracts runs here"
    if missing:
        lacks = "; ".join(
            f"no {result.probe.rule} of {result.probe.since} ({result.reason})" for result in missing
        )
        found = f"the {build.value} build of the contracts is for this chain: {lacks}"
    return [Finding(Severity.OK, name, found)]


def with_rules(config: Config, surveys: Mapping[str, Survey]) -> Config:
    """Return the configuration with the consensus rules that surveys found, where it has none itself."""
    chains = dict(config.chains)
    for name, survey in surveys.items():
        if survey.trust is not None:
            chain = chains[name]
            rules = survey.trust.with_rules(chain.consensus)
            chains[name] = msgspec.structs.replace(chain, consensus=rules)
    return msgspec.structs.replace(config, chains=chains)


def compare_chains(surveys: Iterable[Survey]) -> tuple[Finding, ...]:
    """Return a refusal for every two chains that can't be told apart.

    Gateways route by chain id, and light clients tell chains apart by what is signed on them.
    """
    findings: list[Finding] = []
    for first, second in combinations(surveys, 2):
        subject = f"{first.name} and {second.name}"
        if first.chain_id == second.chain_id:
            advice = "Messages are routed by chain id: one of the chains needs another."
            findings.append(
                _refuse(subject, f"the same chain id {first.chain_id}", "distinct chain ids", advice)
            )
        if first.genesis_hash == second.genesis_hash:
            advice = "They are one chain, or copies of one: their endpoints can't be told apart."
            findings.append(
                _refuse(subject, f"the same genesis 0x{first.genesis_hash.hex()}", "distinct chains", advice)
            )
        conflict = None
        if first.trust is not None and second.trust is not None and first.kind == second.kind:
            conflict = first.trust.conflict(second.trust)
        if conflict is not None:
            findings.append(_refuse(subject, conflict.found, conflict.expected, conflict.advice))
    return tuple(findings)


def _refuse(subject: str, found: str, expected: str, advice: str) -> Finding:
    return Finding(Severity.REFUSAL, subject, found, expected, advice)
