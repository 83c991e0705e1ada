# SPDX-License-Identifier: MIT
"""The one JSON form of everything that is shown: bytes as 0x-hex, enums by value, structs by their fields."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from relayer.config import SecretUrl

Plain = None | bool | int | float | str | list[Any] | dict[str, Any]
"""What JSON has."""


def to_plain(value: object) -> Plain:
    """Return a value as JSON has it, whatever is inside of it. Keys keep their order, sets are sorted.

    Raises:
        TypeError: something in it has no JSON form; nothing is shown by its `repr`.
    """
    if isinstance(value, Enum):
        # Before the numbers: an IntEnum is one.
        return to_plain(value.value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return "0x" + value.hex()
    if isinstance(value, (Path, SecretUrl)):
        # A SecretUrl as text is without what may be secret.
        return str(value)
    if isinstance(value, Mapping):
        return {_key(key): to_plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return [to_plain(inner) for inner in sorted(value)]
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return {key: to_plain(getattr(value, name)) for key, name in names}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"found {type(value).__name__}, expected a value with a JSON form")


def to_json(value: object, *, indent: int | None = None) -> str:
    """Return a value as JSON text.

    Raises TypeError as `to_plain`, ValueError for a number that JSON has not.
    """
    return json.dumps(to_plain(value), indent=indent, allow_nan=False)


def joined(*values: object) -> dict[str, Any]:
    """Return one JSON object with the keys of several views, such as a message and its story.

    Later ones win.
    """
    together: dict[str, Any] = {}
    for value in values:
        plain = to_plain(value)
        assert isinstance(plain, dict)
        together |= plain
    return together


def _key(key: object) -> str:
    plain = to_plain(key)
    if not isinstance(plain, str):
        raise TypeError(f"found a key of type {type(key).__name__}, expected text, bytes or an enum of text")
    return plain
