# SPDX-License-Identifier: MIT
"""Renders tables and values as they stand in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from relayer.config.secret_url import SecretUrl


def written_fields(struct: Any) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a table that a file has to have: those that differ from their default.

    URLs are left out, for they may hold credentials, and whoever configured them has them in
    the file already.
    """
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if field.name != "kind" and value == field.default:
            continue
        if isinstance(value, SecretUrl) or (
            isinstance(value, tuple) and any(isinstance(element, SecretUrl) for element in value)
        ):
            continue
        yield field.name, value


def render_table(name: str, struct: msgspec.Struct) -> list[str]:
    """Return the lines of a table and of the tables below it; `name` is its dotted path."""
    lines, below = [f"[{name}]"], list[str]()
    for key, value in written_fields(struct):
        if isinstance(value, msgspec.Struct):
            below += ["", *render_table(f"{name}.{key}", value)]
        elif isinstance(value, tuple) and value:
            lines += [f"{key} = [", *(f"    {render_value(element)}," for element in value), "]"]
        else:
            lines.append(f"{key} = {render_value(value)}")
    return lines + below


def render_value(value: object) -> str:
    """Return a plain value as TOML: bytes as 0x-hex, a table inline."""
    if isinstance(value, bytes):
        return f'"0x{value.hex()}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (msgspec.Struct, Mapping)):
        fields = value.items() if isinstance(value, Mapping) else written_fields(value)
        return "{ " + ", ".join(f"{key} = {render_value(field)}" for key, field in fields) + " }"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(render_value, value)) + "]"
    text = str(value)
    # A basic string of TOML is one of JSON, with two exceptions: TOML has no surrogate escapes, which this
    # encoder never writes, and DEL has to be escaped.
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")
