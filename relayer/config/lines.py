# SPDX-License-Identifier: MIT
"""Where a key stands in the text, for errors."""

from __future__ import annotations

import re


class Lines:
    """Where keys stand in the text, as far as a scan of its lines can tell."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._at: dict[tuple[str | int, ...], int] = {}
        table: tuple[str | int, ...] = ()
        counts: dict[tuple[str, ...], int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            stripped = line.strip()
            header = re.match(r"(\[\[?)\s*([^\[\]]+?)\s*\]", stripped)
            if header:
                path = tuple(part.strip().strip("\"'") for part in header[2].split("."))
                table = path
                if header[1] == "[[":
                    table = (*path, counts.get(path, 0))
                    counts[path] = counts.get(path, 0) + 1
                self._at.setdefault(table, number)
                continue
            key = re.match(r"[\"']?([A-Za-z0-9_.-]+)[\"']?\s*=", stripped)
            if key:
                self._at.setdefault((*table, *key[1].split(".")), number)

    def where(self, path: tuple[str | int, ...]) -> str:
        """Return `file:line: dotted.path`, the line being that of the nearest table when
        the key's own isn't known.
        """
        dotted = ""
        for part in path:
            dotted += f"[{part}]" if isinstance(part, int) else f".{part}" if dotted else part
        for length in range(len(path), 0, -1):
            if path[:length] in self._at:
                return f"{self._name}:{self._at[path[:length]]}: {dotted}"
        return f"{self._name}: {dotted}" if dotted else self._name
