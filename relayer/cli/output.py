# SPDX-License-Identifier: MIT
"""What commands print: plain text or tables for people, one JSON value for machines."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from relayer.text import hex_of

if TYPE_CHECKING:
    from rich.console import Console

    from relayer.views.delivery import DeliveryView

_WEI_PER_ETHER: Final = 10**18
_WEI_PER_GWEI: Final = 10**9


def print_json(value: object) -> None:
    """Print one JSON value: a view, or whatever else has a JSON form (relayer.views.encoding)."""
    # Late: a command that prints no JSON does not load the encoder.
    from relayer.views.encoding import to_json

    sys.stdout.write(to_json(value, indent=2) + "\n")


def console(*, stderr: bool = False) -> Console:
    """Return a console for people. Without a terminal it is as wide as its lines, and without colour."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, soft_wrap=not stream.isatty(), highlight=False)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print a table, or a sentence where it has no rows; tab-separated where nobody looks."""
    if not rows:
        console().print(empty)
        return
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            sys.stdout.write("\t".join(row) + "\n")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console().print(table)


def ether(wei: int) -> str:
    """Return an amount in ether, exactly."""
    whole, rest = divmod(wei, _WEI_PER_ETHER)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")


def gwei(wei: int) -> str:
    """Return a price in gwei, exactly."""
    whole, rest = divmod(wei, _WEI_PER_GWEI)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


def span(seconds: float) -> str:
    """Return a time span as people say it."""
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} days"


def moment(seconds: float) -> str:
    """Return a time, in seconds since 1970, as this machine's clock shows it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def describe_delivery(delivery: DeliveryView, destination: str) -> str:
    """Return which transaction executed a message, when, and who says so: one line for people."""
    where = "" if delivery.block is None else f" in block {delivery.block}"
    when = "" if delivery.timestamp is None else f", {moment(delivery.timestamp)}"
    told = {"journal": "the relayer's journal", "logs": "the logs of the inbox"}[delivery.told_by]
    checked = "its receipt shows the message" if delivery.is_checked else "not checked with its receipt"
    return f"executed by transaction {hex_of(delivery.tx_hash)}{where} of {destination}{when} (told by {told}; {checked})"
