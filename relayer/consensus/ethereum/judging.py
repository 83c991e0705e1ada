# SPDX-License-Identifier: MIT
"""Compares an EthereumLightClient, as it stands on a chain, with what it should have been deployed with."""

from __future__ import annotations

from light_clients.ethereum.config import NetworkConfig, Slot
from light_clients.ethereum.params import WIRE_LAYOUTS, EthereumParams
from relayer.consensus.ethereum.contract import EthereumClientView
from relayer.consensus.findings import Finding, Severity


def judge_parameters(subject: str, client: EthereumClientView, expected: EthereumParams) -> list[Finding]:
    """Judge whether a client is of the configured network, and how many members must sign."""
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
    """Compare a client's fork table with the configured network and with what a node says is scheduled.

    Args:
        subject: how the findings name the client.
        client: as it was read.
        rules: the configured network, which decides where both have a fork.
        told: the network as a node tells it.
        now: the slot of now: a fork that is missing stops a client once it is in force.
    """
    findings: list[Finding] = []
    deployed, epoch = client.forks, rules.epoch_at(now)
    networks = {fork.name: fork for fork in (*told.forks, *rules.forks)}
    # Of several forks at one epoch only the last is ever in force, so only it is in the table.
    by_epoch = {fork.epoch: fork for fork in sorted(networks.values(), key=lambda fork: fork.name)}
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
    for at, (version, layout_number) in deployed.items():
        if at not in by_epoch:
            # It could make the client read another field of a signed header as its state root.
            severity = Severity.REFUSAL if at <= epoch else Severity.WARNING
            found = f"a fork of epoch {at} in the deployed table (version 0x{version.hex()}, layout {layout_number})"
            advice = "The network has no such fork: find out who deployed the client, and replace it."
            findings.append(Finding(severity, subject, found, "the network's forks alone", advice))
    return findings
