# SPDX-License-Identifier: MIT
"""`postroad pending`: what waits, and why (INV-10)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relayer.cli.options import config_option, json_option, load_config
from relayer.cli.output import hex_of, print_json, print_table, span

if TYPE_CHECKING:
    from relayer.journal.rows import PendingMessage


@click.command()
@click.option(
    "--limit", type=click.IntRange(min=1), default=1_000, show_default=True, help="The most messages a lane."
)
@config_option
@json_option
def pending(limit: int, config_path: Path, as_json: bool) -> None:
    """List the messages that the relayer's journal knows and that are not confirmed, each with the reason why it waits."""
    from relayer.journal.store import Journal

    config = load_config(config_path)
    with Journal.open(config.journal_url.reveal(), read_only=True) as journal:
        found = journal.pending(limit=limit)
    now = time.time()
    if as_json:
        print_json(
            [
                {
                    "id": bytes(each.leaf),
                    "source": each.source,
                    "destination": each.destination,
                    "sequence": each.sequence,
                    "state": each.state.value,
                    "reason": each.waiting.reason.value,
                    "detail": each.waiting.detail,
                    "since": each.since / 1_000_000,
                }
                for each in found
            ]
        )
        return
    print_table(
        ("message", "from → to", "state", "since", "waits for"),
        [_row(each, now) for each in found],
        empty="Nothing waits.",
    )


def _row(each: PendingMessage, now: float) -> tuple[str, ...]:
    since = span(max(0.0, now - each.since / 1_000_000))
    lane = f"{each.source} → {each.destination} #{each.sequence}"
    return hex_of(each.leaf), lane, each.state.value, since, str(each.waiting)
