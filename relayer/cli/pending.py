# SPDX-License-Identifier: MIT
"""`postroad pending`: what waits, and why (INV-10)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relayer.cli.options import config_option, json_option, load_config
from relayer.cli.output import print_json, print_table, span
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.views.pending import PendingView


@click.command()
@click.option(
    "--limit", type=click.IntRange(min=1), default=1_000, show_default=True, help="The most messages a lane."
)
@config_option
@json_option
def pending(limit: int, config_path: Path, as_json: bool) -> None:
    """List the messages that the relayer's journal knows as open, with what they wait for.

    A lane that is held up before it has one is listed as well.
    """
    from relayer.journal.store import Journal
    from relayer.views.pending import held_lane_view, pending_view

    config = load_config(config_path)
    with Journal.open(config.journal_url.reveal(), read_only=True) as journal:
        found = journal.pending(limit=limit)
        held = journal.held_lanes()
    views = [pending_view(message) for message in found]
    told = {message.lane for message in found}
    views += [held_lane_view(lane) for lane in held if lane.row not in told]
    if as_json:
        print_json(views)
        return
    now_s = time.time()
    print_table(
        ("message", "from → to", "state", "since", "waits for"),
        [_row(view, now_s) for view in views],
        empty="Nothing waits.",
    )


def _row(view: PendingView, now_s: float) -> tuple[str, ...]:
    since = span(max(0.0, now_s - view.since))
    waits_for = f"{view.reason.value}: {view.detail}" if view.detail else view.reason.value
    lane = f"{view.source} → {view.destination}"
    if view.id is None or view.state is None:
        return "(none yet)", lane, "", since, waits_for
    lane += f" #{view.sequence}"
    return hex_of(view.id), lane, view.state.value, since, waits_for
