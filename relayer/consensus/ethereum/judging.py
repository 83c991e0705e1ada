# SPDX-License-Identifier: MIT
"""A EthereumLightClient as it stands on a chain, held against what it should have been deployed with."""

from __future__ import annotations

from light_clients.ethereum.config import NetworkConfig, Slot
from light_clients.ethereum.params import WIRE_LAYOUTS, EthereumParams
from relayer.consensus.ethereum.contract import EthereumClientView
from relayer.consensus.findings import Finding, Severity


def judge_parameters(subject: str, client: EthereumClientView, expected: EthereumParams) -> list[Finding]:
    """Whether it is a client of this network, and how many must sign."""
    identity = (
        ("genesis time", client.parameters[0], expected.genesis_time),
        ("slot duration in ms", client.parameters[1], expected.slot_duration_ms),
        ("slots an epoch", client.parameters[2], expected.slots_per_epoch),
        ("slots a period", client.parameters[3], expected.slots_per_period),
        ("committee size", client.parameters[4], expected.committee_size),
        (
            "genesis validators' root",
            "0x" + bytes(client.parameters[8]).hex(),
            "0x" + expected.genesis_validators_root.hex(),
        ),
    )
    findings = [
        Finding(
            Severity.REFUSAL,
            subject,
            f"a client of another network: {what} {found}",
            f"{wanted}, as configured",
            "It can't believe any header of that chain, or believes another's: replace the client.",
        )
        for what, found, wanted in identity
        if found != wanted
    ]
    if client.threshold != expected.threshold:
        few = client.threshold < expected.threshold
        advice = "The deployed client can't be changed, only replaced" + (
            ": fewer signatures convince it than you ask for." if few else "; or correct the config."
        )
        found = f"{client.threshold} of {client.committee_size} must sign"
        findings.append(
            Finding(Severity.WARNING, subject, found, f"{expected.threshold}, as configured", advice)
        )
    return findings


def judge_forks(
    subject: str, client: EthereumClientView, rules: NetworkConfig, told: NetworkConfig, now: Slot
) -> list[Finding]:
    """Hold the deployed fork table against the network, and against what a node says is scheduled."""
    findings: list[Finding] = []
    deployed, epoch = client.forks, rules.epoch_at(now)
    networks = {fork.name: fork for fork in (*told.forks, *rules.forks)}
    by_epoch = {fork.epoch: fork for fork in sorted(networks.values(), key=lambda each: each.name)}
    for fork in by_epoch.values():
        text = f"the fork {fork.name.label} of epoch {fork.epoch}"
        is_active = fork.epoch <= epoch
        layout = WIRE_LAYOUTS.get(fork.name)
        if layout is None:
            advice = "No light client of this version can follow it: update Postroad and replace the client."
            severity = Severity.REFUSAL if is_active else Severity.WARNING
            findings.append(Finding(severity, subject, f"{text}, which no client knows", "", advice))
        elif fork.epoch not in deployed:
            advice = (
                "It refuses every header since then: replace the client."
                if is_active
                else "It will refuse every header from then on: replace the client before that."
            )
            severity = Severity.REFUSAL if is_active else Severity.WARNING
            found = f"{text} missing from the deployed table"
            findings.append(Finding(severity, subject, found, "every scheduled fork", advice))
        elif deployed[fork.epoch] != (fork.version, int(layout)):
            version, has = deployed[fork.epoch]
            found = f"{text} deployed as version 0x{version.hex()}, layout {has}"
            expected = f"version 0x{fork.version.hex()}, layout {int(layout)}"
            advice = "It refuses every header of that fork: replace the client."
            findings.append(Finding(Severity.REFUSAL, subject, found, expected, advice))
    return findings
