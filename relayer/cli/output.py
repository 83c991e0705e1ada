# SPDX-License-Identifier: MIT
"""What commands print: plain text or tables for people, one JSON value for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relayer.text import hex_of, short

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "ether", "fields", "gwei", "hex_of", "print_json", "print_table", "short", "span"]

_WEI_PER_ETHER = 10**18
_WEI_PER_GWEI = 10**9


def print_json(value: object) -> None:
    """Print one JSON value: bytes as 0x-hex, enums by value."""
    sys.stdout.write(json.dumps(value, indent=2, default=_plain) + "\n")


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


def fields(value: object) -> Any:
    """Return a table of the configuration as `--json` shows it: with its keys, and of URLs no more than where they lead."""
    import msgspec

    from relayer.config import SecretUrl

    if isinstance(value, SecretUrl):
        return str(value)
    if isinstance(value, msgspec.Struct):
        return {name: fields(getattr(value, name)) for name in value.__struct_fields__}
    return [fields(each) for each in value] if isinstance(value, tuple) else value


def _plain(value: object) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return hex_of(bytes(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (Path, set, frozenset, tuple)):
        return str(value) if isinstance(value, Path) else sorted(value)
    raise TypeError(type(value).__name__)
