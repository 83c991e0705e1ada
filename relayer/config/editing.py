# SPDX-License-Identifier: MIT
"""Writes what a deployment found into the file, line by line: comments and order stay as they were."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final

import msgspec

from relayer.config.errors import InvalidConfig
from relayer.config.reading import load, parse
from relayer.config.rendering import render_table, render_value, written_fields
from relayer.config.schema import Config, EndpointConfig

_TABLE: Final = re.compile(r"\s*\[")


def set_endpoint(text: str, name: str, endpoint: EndpointConfig) -> str:
    """Return the file's text with a chain's gateway, its genesis hash and what trust in it begins with.

    Other lines stay. A key that the consensus' table has already stays as well: it is what the operator chose
    to trust. Raises InvalidConfig where the chain has no table of its own.
    """
    lines = text.splitlines()
    chain, consensus = f"chains.{name}", f"chains.{name}.consensus"
    for table in (chain, consensus):
        if _find_table(lines, table) is None:
            expected = f"a table [{table}]"
            raise InvalidConfig(table, "no such table", expected, "Add it, or write the values by hand.")
    lines = _set_key(lines, chain, "genesis_hash", render_value(endpoint.genesis_hash))
    lines = _set_key(lines, chain, "gateway", render_value(endpoint.gateway))
    for key, value in written_fields(endpoint.consensus):
        below = f"{consensus}.{key}"
        if _find_table(lines, below) is not None or _has_key(lines, consensus, key):
            continue
        if isinstance(value, msgspec.Struct):
            start = _find_table(lines, consensus)
            assert start is not None
            end = _end_of_table(lines, start)
            lines[end:end] = ["", *render_table(below, value)]
        else:
            lines = _set_key(lines, consensus, key, render_value(value))
    return "\n".join(lines) + "\n"


def save_endpoint(path: Path, name: str, endpoint: EndpointConfig) -> Config:
    """Set a chain's endpoint in the file, and return the new configuration.

    The text is read back before it is written. Where it does not say what was meant, because the file's
    layout can't be edited by lines, InvalidConfig is raised and the file stays as it was.
    """
    before = load(path)
    text = set_endpoint(path.read_text(encoding="utf-8"), name, endpoint)
    after = parse(text, name=str(path), directory=path.parent)
    chain = after.chain(name)
    others = {other: table for other, table in after.chains.items() if other != name}
    as_meant = (
        (chain.gateway, chain.genesis_hash) == (endpoint.gateway, endpoint.genesis_hash)
        and not chain.missing
        and others == {other: table for other, table in before.chains.items() if other != name}
    )
    if not as_meant:
        raise InvalidConfig(
            f"{path}: chains.{name}",
            "a layout that can't be edited by lines",
            f"a plain table [chains.{name}]",
            f"Write the values by hand:\n{render_endpoint(name, endpoint)}",
        )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    # The mode is set before a byte is in the file, because its URLs may hold credentials.
    temporary.touch(mode=path.stat().st_mode & 0o777)
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        # The new name may reach the disk before the text does, and a power cut then leaves an empty file.
        os.fsync(file.fileno())
    temporary.replace(path)
    return after


def render_endpoint(name: str, endpoint: EndpointConfig) -> str:
    """Return an endpoint as it stands in a file, for people to copy.

    URLs, which may hold credentials, are left out.
    """
    consensus = endpoint.consensus
    assert isinstance(consensus, msgspec.Struct)
    return "\n".join(
        [
            f"[chains.{name}]",
            f"gateway = {render_value(endpoint.gateway)}",
            f"genesis_hash = {render_value(endpoint.genesis_hash)}",
            "",
            *render_table(f"chains.{name}.consensus", consensus),
        ]
    )


def _find_table(lines: list[str], name: str) -> int | None:
    pattern = re.compile(rf"\s*\[\s*{re.escape(name)}\s*\]\s*(#.*)?$")
    return next((number for number, line in enumerate(lines) if pattern.match(line)), None)


def _end_of_table(lines: list[str], start: int) -> int:
    """Return the line after the last one of a table that is neither empty nor a comment."""
    end = next((n for n in range(start + 1, len(lines)) if _TABLE.match(lines[n])), len(lines))
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end


def _has_key(lines: list[str], table: str, key: str) -> bool:
    start = _find_table(lines, table)
    assert start is not None
    return any(re.match(rf"\s*{key}\s*=", line) for line in lines[start : _end_of_table(lines, start)])


def _set_key(lines: list[str], table: str, key: str, value: str) -> list[str]:
    """Return the lines with a key set: in its own line, in the one where it is commented out,
    or in a new one.
    """
    start = _find_table(lines, table)
    assert start is not None
    end = next((n for n in range(start + 1, len(lines)) if _TABLE.match(lines[n])), len(lines))
    for pattern in (rf"\s*{key}\s*=", rf"\s*#\s*{key}\s*="):
        for number in range(start + 1, end):
            if re.match(pattern, lines[number]):
                return [*lines[:number], f"{key} = {value}", *lines[number + 1 :]]
    at = _end_of_table(lines, start)
    return [*lines[:at], f"{key} = {value}", *lines[at:]]
