# SPDX-License-Identifier: MIT
"""Gas of what has just happened, beside what other systems cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from relayer.cli.demo.console import DemoConsole

PEERS: Final = {
    "send": "Hyperlane 75k (139k with its gas paymaster), LayerZero 90k",
    "single": "Hyperlane 3-of-5 92k bare, 113k by default; Axelar 135k; LayerZero 161-270k; CCIP 211k",
    "batch": "CCIP 36k, Axelar 54k, Hyperlane 61k, LayerZero 86k",
}
"""Whole transactions of others, their contracts as shipped, on one machine. All of them trust a few keys."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Gas that this run used.

    Attributes:
        send: of a transaction that sends one message.
        single: of the delivery of one message alone; None when it went along with others.
        batch_messages: how many messages the largest delivery had.
        batch_share: gas a message of that delivery, with its share of what anchored the header.
        signer_count: how many could sign a header of the source.
        source: the chain whose headers were verified.
        consensus: by which its headers are signed.
        checked: what a delivery had the destination check, besides storage.
    """

    send: int
    single: int | None
    batch_messages: int
    batch_share: float
    signer_count: int
    source: str
    consensus: str
    checked: str

    def to_json(self) -> Mapping[str, Any]:
        """Return the shape that docs/reference/cli.md promises."""
        return {
            "send": self.send,
            "single": self.single,
            "batch_messages": self.batch_messages,
            "batch_share": self.batch_share,
            "validators": self.signer_count,
            "source": self.source,
            "consensus": self.consensus,
            "checked": self.checked,
        }


def show_figures(console: DemoConsole, figures: Figures) -> None:
    """Print the table."""
    rows = [("gas, whole transactions", "here, now", "others")]
    rows.append(("send a message", f"{figures.send:,}", PEERS["send"]))
    if figures.single is not None:
        rows.append(("deliver one alone", f"{figures.single:,}", PEERS["single"]))
    share = f"{figures.batch_share:,.0f}"
    rows.append((f"deliver one of {figures.batch_messages}", share, PEERS["batch"]))
    console.columns(rows, right=frozenset({1}))
    console.say(
        f"  Ours: {figures.checked}, and a storage proof, all checked on chain, for an ERC-7786 recipient that logs."
    )
    console.say("  `make gas` measures the same under fixed conditions, committed beside its snapshots.")
