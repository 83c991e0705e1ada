# SPDX-License-Identifier: MIT
"""What commands print: plain text or tables for people, one JSON value for machines."""

from __future__ import annotations

import codecs
import contextlib
import io
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, TextIO

import click

from relayer.text import hex_of

if TYPE_CHECKING:
    from rich.console import Console

    from relayer.views.delivery import DeliveryView

_WEI_PER_ETHER: Final = 10**18
_WEI_PER_GWEI: Final = 10**9
#: Of a rounded amount.
_DIGITS: Final = 3

#: What lasts no longer is not told where nobody looks at a terminal.
_PATIENCE_S: Final = 1.0
#: Columns between the cells of a table.
_GAP: Final = 2
#: A table's last column has at least so many columns, unless its cells are shorter.
_LEAST_LAST: Final = 30

#: What is written for characters that an output's encoding lacks, such as "✓" in GBK.
_IN_ASCII: Final = {
    "✓": "ok",
    "✗": "x",
    "→": "->",
    "…": "...",
    "·": ".",
    "×": "x",
    "−": "-",
    "–": "-",
    "⅔": "2/3",
    "§": "section ",
}
_IN_ASCII_ERRORS: Final = "postroad-ascii"


def replace_what_is_missing(*streams: TextIO) -> None:
    """Let streams write a replacement in ASCII for what their encoding lacks, where they would fail now."""
    codecs.register_error(_IN_ASCII_ERRORS, _in_ascii)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_IN_ASCII_ERRORS)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_IN_ASCII.get(character, "?") for character in missing), error.end


# What follows imports late, so that `--help` stays quick.


def print_json(value: object) -> None:
    """Print one JSON value: a view, or whatever else has a JSON form (relayer.views.encoding)."""
    from relayer.views.encoding import to_json

    sys.stdout.write(to_json(value, indent=2) + "\n")


def console(*, stderr: bool = False) -> Console:
    """Return a console for people. Without a terminal it is as wide as its lines, and without colour."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, soft_wrap=not stream.isatty(), highlight=False)


def say(text: str = "", *, mark: str = "", style: str = "", hang: int = 4, stderr: bool = False) -> None:
    """Print text for people as it is, without markup. What a person copies stays whole.

    On a terminal, a long line goes on below between two words, `hang` columns behind its beginning; a word is
    never cut. Elsewhere a line is as long as it is.

    Args:
        text: one line, or several.
        mark: what stands before the first word, in `style`.
        style: of the mark; of the whole text where there is no mark.
        hang: columns.
        stderr: print it there.
    """
    from rich.text import Text

    if stderr:
        # In a file that gets both, lines stand in the order in which they were said.
        sys.stdout.flush()
    out = console(stderr=stderr)
    prefix = f"{mark} " if mark else ""
    for line in (prefix + text).split("\n"):
        for part in _wrap(line, out.width, hang) if out.is_terminal else [line]:
            shown = Text(part, style="" if mark else style)
            if mark and part.startswith(mark):
                shown.stylize(style, 0, len(mark))
            # Soft: where a word is wider than the terminal, the terminal wraps it and copies it whole.
            out.print(shown, soft_wrap=True)


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Say on stderr what takes long while it lasts, in a spinner; without a terminal a line, where it lasts.

    With `--json` nothing is said. Inside, nothing may be printed on stdout and nobody asked.
    """
    context = click.get_current_context(silent=True)
    if context is not None and context.params.get("as_json"):
        yield
        return
    errors = console(stderr=True)
    if errors.is_terminal:
        spinner = "dots" if errors.encoding.startswith("utf") else "line"
        with errors.status(f"{what} …", spinner=spinner):
            yield
        return
    import threading

    timer = threading.Timer(_PATIENCE_S, say, (f"{what} …",), {"stderr": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _wrap(line: str, width: int, hang: int) -> list[str]:
    import textwrap

    # Rather less behind than a long word beyond the edge.
    room = max(0, width - max(map(len, line.split(" "))))
    indent = min(len(line) - len(line.lstrip(" ")) + hang, room)
    parts = textwrap.wrap(
        line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return parts or [line]


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print a table, or a sentence where it has no rows; tab-separated where nobody looks.

    No cell is cut. Only the last column may go on below, between words; where even that is too wide for the
    terminal, every row is shown as lines under its first cell.
    """
    if not rows:
        say(empty)
        return
    if not _is_watched():
        for row in (columns, *rows):
            sys.stdout.write("\t".join(row) + "\n")
        return
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    indent = sum(widths[:-1]) + _GAP * len(widths[:-1])
    longest_word = max(len(word) for row in rows for word in row[-1].split(" "))
    if indent + max(longest_word, min(widths[-1], _LEAST_LAST)) > console().width:
        _print_records(columns, rows)
        return
    for number, cells in enumerate((columns, *rows)):
        padded = [cell.ljust(width + _GAP) for cell, width in zip(cells[:-1], widths[:-1], strict=True)]
        line = ("".join(padded) + cells[-1]).rstrip()
        say(line, style="" if number else "bold", hang=indent - (len(line) - len(line.lstrip(" "))))


def _is_watched() -> bool:
    return sys.stdout.isatty()


def _print_records(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    label_width = max(map(len, columns[1:]), default=0)
    for first, *cells in rows:
        say(first, style="bold")
        for column, cell in zip(columns[1:], cells, strict=True):
            if cell:
                say(f"  {column:<{label_width}}  {cell}", hang=label_width + _GAP)


def ether(wei: int) -> str:
    """Return an amount with its unit, rounded to three digits; small ones in wei, exactly.

    Digits before the point are never rounded away.
    """
    return f"{wei:,} wei" if 0 < wei < _WEI_PER_GWEI else f"{_rounded(wei, _WEI_PER_ETHER)} ether"


def price(wei: int) -> str:
    """Return a price for a unit of gas as `ether` returns an amount, in gwei."""
    is_small = 0 < wei < _WEI_PER_GWEI // 1_000
    return f"{wei:,} wei" if is_small else f"{_rounded(wei, _WEI_PER_GWEI)} gwei"


def _rounded(wei: int, unit: int) -> str:
    from decimal import Decimal

    amount = Decimal(wei) / unit
    text = f"{amount:,.{max(0, _DIGITS - 1 - amount.adjusted())}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


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
