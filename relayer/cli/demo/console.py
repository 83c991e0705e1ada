# SPDX-License-Identifier: MIT
"""Where the demo is shown: headings, lines, columns; live where there is a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

_LABEL_WIDTH = 25


class Stage:
    """What is printed, with the time since the start."""

    def __init__(self, console: Console, *, is_live: bool) -> None:
        self.console = console
        self.is_live = is_live
        self._started = time.monotonic()
        self._act = 0

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._started

    def act(self, title: str) -> None:
        """Begin a part."""
        self._act += 1
        self.console.print()
        self.console.print(Text(f"{self._act}. {title}", style="bold cyan"))

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line as it is: no markup, so that bytes and brackets stay what they are."""
        self.console.print(Text(text, style=style))

    def stamped(self, text: str) -> None:
        """Print a line with the time."""
        self.say(f"{self.seconds:6.1f} s  {text}")

    def fact(self, label: str, value: str, style: str = "") -> None:
        """Print a value under its name."""
        self.console.print(
            Text(f"  {label:<{_LABEL_WIDTH}}", style="dim").append(value, style=style or "default")
        )

    def good(self, text: str) -> None:
        """Say that something is as it should be."""
        self.console.print(Text("  ✓ ", style="green").append(text, style="default"))

    def bad(self, text: str) -> None:
        """Say that something is not."""
        self.console.print(Text("  ✗ ", style="bold red").append(text, style="bold red"))

    def columns(self, rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> None:
        """Print rows in columns, the first row as their heading; `right` ones are aligned to the right."""
        widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
        for number, row in enumerate(rows):
            cells = [
                cell.rjust(width) if index in right else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            self.say("  " + "   ".join(cells).rstrip(), style="bold" if number == 0 else "")
