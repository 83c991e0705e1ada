# SPDX-License-Identifier: MIT
"""Where the demo is shown: headings, lines, columns; live where there is a terminal.

In a terminal a line that is too long goes on below, under its own beginning, and what has no blank to break
at (a hash) gets a line of its own. Elsewhere a line is as long as it is, for programs that read it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

_LABEL_WIDTH: Final = 25
_FACT_INDENT: Final = 2
_LOOSE_INDENT: Final = 6
"""Where a value begins that did not fit beside its label."""
_GOOD: Final = "✓"
_BAD: Final = "✗"


class DemoConsole:
    """What is printed, with the time since the start. Implements relayer.consensus.show.Printer.

    Args:
        console: prints.
        is_live: whether tables may be redrawn in place.
    """

    def __init__(self, console: Console, *, is_live: bool) -> None:
        self.console = console
        self.is_live = is_live
        self._started = time.monotonic()
        self._part = 0

    @property
    def seconds(self) -> float:
        """The time since the demo began."""
        return time.monotonic() - self._started

    def part(self, title: str) -> None:
        """Begin the next part under its number."""
        self._part += 1
        self.console.print()
        self._print("", Text(f"{self._part}. {title}", style="bold cyan"))

    def heading(self, text: str) -> None:
        """Print what the lines below are about."""
        self.say(text, style="bold")

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line as it is: no markup, so that bytes and brackets stay what they are."""
        words = text.lstrip(" ")
        self._print(text[: len(text) - len(words)], Text(words, style=style))

    def stamped(self, text: str) -> None:
        """Print a line with the time."""
        self._print(f"{self.seconds:6.1f} s  ", Text(text))

    def fact(self, label: str, value: str) -> None:
        """Print a value under its name."""
        self._print_value(label, value, "default")

    def result(self, label: str, value: str) -> None:
        """Print a value that follows from the facts above, under its name."""
        self._print_value(label, value, "green")

    def good(self, text: str) -> None:
        """Print that something is as it should be."""
        self._print(Text(f"  {_GOOD} ", style="green"), Text(text))

    def bad(self, text: str) -> None:
        """Print that something is not as it should be."""
        self._print(Text(f"  {_BAD} ", style="bold red"), Text(text, style="bold red"))

    def columns(self, rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> None:
        """Print rows in columns, the first row as their heading.

        Args:
            rows: of one length; only a last cell may be long.
            right: the columns that are aligned to the right, by index.
        """
        widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]) - 1)]
        for number, (*cells, last) in enumerate(rows):
            aligned = [
                cell.rjust(width) if index in right else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ]
            style = "bold" if number == 0 else ""
            self._print(Text("  " + "".join(f"{cell}   " for cell in aligned), style), Text(last, style))

    def _print_value(self, label: str, value: str, style: str) -> None:
        name = Text(f"{'':{_FACT_INDENT}}{label:<{_LABEL_WIDTH}}", style="dim")
        longest = max((len(word) for word in value.split(" ")), default=0)
        if not self.console.is_terminal or len(name) + longest <= self.console.width:
            self._print(name, Text(value, style=style))
            return
        self.console.print(name)
        self._print(" " * _LOOSE_INDENT, Text(value, style=style))

    def _print(self, prefix: str | Text, text: Text) -> None:
        """Print a text behind a prefix; where it is wrapped, it goes on under its beginning."""
        prefix = Text(prefix) if isinstance(prefix, str) else prefix
        if not self.console.is_terminal or len(prefix) + len(text) <= self.console.width:
            self.console.print(prefix + text)
            return
        grid = Table.grid()
        grid.add_column(width=len(prefix), no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(prefix, text)
        self.console.print(grid)
