# SPDX-License-Identifier: MIT
"""Gas of what has just happened, beside what other systems cost."""

from __future__ import annotations

from dataclasses import dataclass

from relayer.cli.demo.console import Stage

PEERS = {
    "send": "Hyperlane 75k (139k with its gas paymaster), LayerZero 90k",
    "single": "Hyperlane 3-of-5 92k bare, 113k by default; Axelar 135k; LayerZero 161-270k; CCIP 211k",
    "batch": "CCIP 36k, Axelar 54k, Hyperlane 61k, LayerZero 86k",
}
"""Whole transactions of the others, measured on one machine with their contracts as shipped; all of them trust a few keys."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Gas that this run used: a send, a delivery of one message alone, and a message's share in the largest batch.

    Attributes:
        validators: who could sign a header of the source: its validators, or the members of its sync committee.
        source, consensus: whose headers were verified, and by which consensus.
        checked: what each delivery had the destination check, besides storage.
    """

    send: int
    single: int | None
    batch_messages: int
    batch_share: float
    validators: int
    source: str
    consensus: str
    checked: str


def show_figures(stage: Stage, figures: Figures) -> None:
    """Show the table."""
    rows = [("gas, whole transactions", "here, now", "others")]
    rows.append(("send a message", f"{figures.send:,}", PEERS["send"]))
    if figures.single is not None:
        rows.append(("deliver one alone", f"{figures.single:,}", PEERS["single"]))
    share = f"{figures.batch_share:,.0f}"
    rows.append((f"deliver one of {figures.batch_messages}", share, PEERS["batch"]))
    stage.columns(rows, right=frozenset({1}))
    stage.say(
        f"  Ours: {figures.checked}, and a storage proof, all checked on chain, for an ERC-7786 recipient that logs."
    )
    stage.say("  `make gas` measures the same under fixed conditions, committed beside its snapshots.")
