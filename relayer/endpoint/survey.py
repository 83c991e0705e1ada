# SPDX-License-Identifier: MIT
"""What a chain says of itself before anything is deployed on it or trusted of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.bft.validators import quorum
from light_clients.errors import Rejection
from relayer.config import ChainConfig
from relayer.endpoint.findings import Finding, Severity
from relayer.endpoint.node import Node, Prices
from relayer.endpoint.probes import ProbeResult, probe_rules

KINDS: Mapping[str, BftKind] = {"qbft": BftKind.QBFT, "ibft2": BftKind.IBFT2}

# How many headers are looked at for a quorum below two thirds: at the head, and spread behind it.
_SAMPLE = 8
_SAMPLE_STEP = 16


@dataclass(frozen=True, slots=True)
class Survey:
    """One chain, read at its newest block. `header` is None where it isn't the configured consensus' (see `findings`)."""

    name: str
    chain_id: int
    genesis_hash: bytes
    client_version: str
    header: BftHeader | None
    block_gas_limit: int
    prices: Prices
    probes: tuple[ProbeResult, ...]
    findings: tuple[Finding, ...]


async def survey_chain(node: Node, chain: ChainConfig) -> Survey:
    """Read a chain and judge what can be judged of it alone. Raises ChainUnavailable."""
    chain_id, genesis_hash, version, prices, head, probes = await asyncio.gather(
        node.chain_id(),
        node.genesis_hash(),
        node.client_version(),
        node.prices(),
        node.block("latest"),
        probe_rules(node),
    )
    findings: list[Finding] = []
    # It is the chain that was meant
    if chain_id != chain.chain_id:
        found, expected = f"chain id {chain_id}", f"{chain.chain_id} (chains.{node.name}.chain)"
        findings.append(_refuse(node.name, found, expected, "Correct the config, or the RPC URL."))
    if chain.genesis_hash is not None and genesis_hash != chain.genesis_hash:
        found, expected = f"genesis 0x{genesis_hash.hex()}", f"0x{chain.genesis_hash.hex()}"
        advice = "The chain was reset, or this is another one: a reset chain is a new endpoint, to be deployed anew."
        findings.append(_refuse(node.name, found, expected, advice))
    # Its rules
    for result in probes:
        if not result.holds:
            found = f"no {result.probe.rule} ({result.reason})"
            advice = "Set the chain's fork to Cancun or newer in its genesis file."
            findings.append(_refuse(node.name, found, f"{result.probe.since} and newer rules", advice))
    # Its consensus
    header, consensus = await _survey_consensus(node, chain, head)
    return Survey(
        name=node.name,
        chain_id=chain_id,
        genesis_hash=genesis_hash,
        client_version=version,
        header=header,
        block_gas_limit=int(str(head.get("gasLimit", "0x0")), 16),
        prices=prices,
        probes=probes,
        findings=(*findings, *consensus),
    )


def compare_chains(surveys: Iterable[Survey]) -> tuple[Finding, ...]:
    """Find chains that can't be told apart: BFT headers carry no chain id, and gateways route by it."""
    findings: list[Finding] = []
    for one, other in combinations(surveys, 2):
        subject = f"{one.name} and {other.name}"
        if one.chain_id == other.chain_id:
            advice = "Messages are routed by chain id: one of the chains needs another."
            findings.append(
                _refuse(subject, f"the same chain id {one.chain_id}", "distinct chain ids", advice)
            )
        if one.genesis_hash == other.genesis_hash:
            advice = "They are one chain, or copies of one: their endpoints can't be told apart."
            findings.append(
                _refuse(subject, f"the same genesis 0x{one.genesis_hash.hex()}", "distinct chains", advice)
            )
        if one.header is None or other.header is None:
            continue
        shared = set(one.header.validators) & set(other.header.validators)
        if shared:
            shown = ", ".join(f"0x{each.hex()}" for each in sorted(shared)[:3]) + (
                ", …" if len(shared) > 3 else ""
            )
            advice = "Headers of such chains carry no chain id, so one chain's could pass for the other's: use other keys."
            findings.append(_refuse(subject, f"{len(shared)} shared validators ({shown})", "none", advice))
    return tuple(findings)


async def _survey_consensus(
    node: Node, chain: ChainConfig, head: Mapping[str, object]
) -> tuple[BftHeader | None, list[Finding]]:
    kind = KINDS[chain.consensus]
    number = int(str(head.get("number", "0x0")), 16)
    if number == 0:
        advice = "Start its validators, or wait for the first block."
        return None, [
            _refuse(node.name, "block 0 as the newest", "a sealed block to start trust from", advice)
        ]
    try:
        newest = BftHeader.from_rpc(head, kind)
    except Rejection as error:
        advice = (
            f"Is it a {chain.consensus} chain (chains.{node.name}.consensus), and its fork one that is known?"
        )
        return None, [
            _refuse(
                node.name, f"a header that is not believed: {error}", f"{chain.consensus} headers", advice
            )
        ]
    findings: list[Finding] = []
    lower = range(number - _SAMPLE_STEP, 0, -_SAMPLE_STEP)[: _SAMPLE - 1]
    earlier = await asyncio.gather(*(node.block(each) for each in lower))
    for header in (newest, *(BftHeader.from_rpc(block, kind) for block in earlier)):
        members, sealed = len(header.validators), len(header.sealers())
        if sealed < quorum(members):
            advice = (
                "Chains with the old quorum 2F+1 (GoQuorum) are not safe to believe: configure ceil2Nby3Block, and join "
                "when blocks carry two thirds."
            )
            found = f"block {header.number} sealed by {sealed} of {members}"
            findings.append(_refuse(node.name, found, f"at least {quorum(members)}", advice))
            break
    else:
        text = f"{chain.consensus}, {len(newest.validators)} validators, {quorum(len(newest.validators))} to seal"
        findings.append(Finding(Severity.OK, node.name, text))
    return newest, findings


def _refuse(subject: str, found: str, expected: str, advice: str) -> Finding:
    return Finding(Severity.REFUSAL, subject, found, expected, advice)
