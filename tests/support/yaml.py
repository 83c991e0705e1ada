# SPDX-License-Identifier: MIT
"""As much YAML as the official vectors use; whatever is not understood is a ValueError.

Block mappings and lists, plain or quoted scalars (also on the line after their key), `[]`, `{}` and one flow
mapping a line. Scalars stay text: the vectors mean hex and numbers by the same look.
"""

from __future__ import annotations

import re
from typing import Any


def load(text: str) -> Any:
    """Read one document."""
    # In double quotes, a backslash at a line's end joins it with the next one's text
    text = re.sub(r"\\\n *", "", text)
    lines = [
        (len(line) - len(line.lstrip(" ")), line.strip())
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    value, rest = _block(lines, lines[0][0] if lines else 0)
    if rest:
        raise ValueError(f"found {rest[0][1]!r}, expected the end")
    return value


_Lines = list[tuple[int, str]]


def _block(lines: _Lines, indent: int) -> tuple[Any, _Lines]:
    if lines[0][1].startswith("- ") or lines[0][1] == "-":
        items = []
        while lines and lines[0][0] == indent and lines[0][1].startswith("-"):
            inner = lines[0][1][1:].strip()
            column = indent + len(lines[0][1]) - len(inner)
            if inner and not _is_pair(inner):
                items.append(_scalar(inner))
                lines = lines[1:]
                continue
            lines = ([(column, inner)] if inner else []) + lines[1:]
            item, lines = _block(lines, lines[0][0])
            items.append(item)
        return items, lines
    if not _is_pair(lines[0][1]):
        return _scalar(lines[0][1]), lines[1:]
    pairs: dict[str, Any] = {}
    while lines and lines[0][0] == indent and _is_pair(lines[0][1]):
        key, _, inline = lines[0][1].partition(":")
        inline, lines = inline.strip(), lines[1:]
        if inline:
            pairs[_scalar(key)] = _scalar(inline)
        elif lines and (lines[0][0] > indent or (lines[0][0] == indent and lines[0][1].startswith("- "))):
            pairs[_scalar(key)], lines = _block(lines, lines[0][0])
        else:
            pairs[_scalar(key)] = None
    return pairs, lines


def _is_pair(text: str) -> bool:
    return text[0] not in "{[\"'" and (text.endswith(":") or ": " in text)


def _scalar(text: str) -> Any:
    if text[0] in "\"'":
        if len(text) < 2 or text[-1] != text[0] or text[0] in text[1:-1]:
            raise ValueError(f"found {text!r}, expected a closing quote")
        return text[1:-1]
    if text[0] == "{" and text[-1] == "}":
        pairs = (pair.partition(":") for pair in text[1:-1].split(",") if pair.strip())
        return {_scalar(key.strip()): _scalar(value.strip()) for key, _, value in pairs}
    if text == "[]":
        return []
    if text[0] in "[{&*!|>%@`":
        raise ValueError(f"found {text!r}, expected plain YAML")
    return text.split(" #", maxsplit=1)[0].strip()
