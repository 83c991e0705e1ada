# SPDX-License-Identifier: MIT
"""One change at a time to an object of the Beacon API, at every place of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: Of a committee's keys these are changed; the others would say the same, slowly.
_FEW = 2
_LONG = 16

Path = tuple[str | int, ...]


def tampered(value: Any, path: Path = ()) -> Iterator[tuple[str, Any]]:
    """Yield (what was changed, the object with that change) for every value in it."""
    if isinstance(value, dict):
        for name, item in value.items():
            for what, changed in tampered(item, (*path, name)):
                yield what, value | {name: changed}
    elif isinstance(value, list):
        yield from _tampered_list(value, path)
    else:
        for how, changed in _tampered_text(value):
            yield f"{_show(path)} {how}", changed


def _tampered_list(value: list[Any], path: Path) -> Iterator[tuple[str, Any]]:
    few = value if len(value) < _LONG else value[:_FEW]
    for at, item in enumerate(few):
        for what, changed in tampered(item, (*path, at)):
            yield what, [*value[:at], changed, *value[at + 1 :]]
    yield f"{_show(path)} without its last", value[:-1]
    yield f"{_show(path)} with its last twice", [*value, value[-1]]
    if value[0] != value[1]:
        yield f"{_show(path)} with two exchanged", [value[1], value[0], *value[2:]]


def _tampered_text(value: str) -> Iterator[tuple[str, str]]:
    if not value.startswith("0x"):
        yield "plus one", str(int(value) + 1)
        if int(value) > 0:
            yield "minus one", str(int(value) - 1)
        return
    data = bytes.fromhex(value[2:])
    if not data:
        yield "not empty", "0x00"
        return
    for how, at, bit in (("first bit", 0, 0x80), ("last bit", -1, 0x01)):
        changed = bytearray(data)
        changed[at] ^= bit
        yield f"with its {how} changed", "0x" + changed.hex()
    yield "without its last byte", "0x" + data[:-1].hex()
    if any(data):
        yield "all zero", "0x" + bytes(len(data)).hex()


def _show(path: Path) -> str:
    return ".".join(map(str, path))
