# SPDX-License-Identifier: MIT
"""Put what a deployment found into the file: by lines, so that comments and order stay as their author left them."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from relayer.config.errors import InvalidConfig
from relayer.config.reading import load, parse
from relayer.config.schema import (
    AnyBootstrap,
    CheckpointConfig,
    Config,
    EndpointConfig,
    NetworkName,
    NetworkTable,
)

_TABLE = re.compile(r"\s*\[")


def set_endpoint(text: str, name: str, endpoint: EndpointConfig) -> str:
    """Return the file's text with a chain's gateway, genesis hash, network and bootstrap set; other lines are left alone.

    A network or a bootstrap that is there is kept: it is what the operator chose to trust.
    """
    lines = text.splitlines()
    start = _find_table(lines, f"chains.{name}")
    if start is None:
        expected = f"a table [chains.{name}]"
        raise InvalidConfig(
            f"chains.{name}", "no such table", expected, "Add it, or write the values by hand."
        )
    has_bootstrap = _find_table(lines, f"chains.{name}.bootstrap") is not None
    lines = _set_key(lines, start, "genesis_hash", f'"0x{endpoint.genesis_hash.hex()}"')
    lines = _set_key(lines, start, "gateway", f'"0x{endpoint.gateway.hex()}"')
    has_network = _find_table(lines, f"chains.{name}.network") is not None
    if endpoint.network is not None and not has_network and not _has_key(lines, start, "network"):
        if isinstance(endpoint.network, str):
            lines = _set_key(lines, start, "network", f'"{endpoint.network}"')
        else:
            end = _end_of_table(lines, start)
            lines[end:end] = ["", *render_network(name, endpoint.network)]
    if not has_bootstrap and not _has_key(lines, start, "bootstrap"):
        end = _end_of_table(lines, start)
        lines[end:end] = ["", *render_bootstrap(name, endpoint.bootstrap)]
    return "\n".join(lines) + "\n"


def save_endpoint(path: Path, name: str, endpoint: EndpointConfig) -> Config:
    """Set a chain's endpoint in the file, if the outcome reads as meant; return the new configuration.

    Raises InvalidConfig, the file untouched, when its layout is one that can't be edited by lines.
    """
    before = load(path)
    text = set_endpoint(path.read_text(encoding="utf-8"), name, endpoint)
    after = parse(text, name=str(path), directory=path.parent)
    chain = after.chain(name)
    others = {each: table for each, table in after.chains.items() if each != name}
    as_meant = (
        (chain.gateway, chain.genesis_hash) == (endpoint.gateway, endpoint.genesis_hash)
        and not chain.missing
        and others == {each: table for each, table in before.chains.items() if each != name}
    )
    if not as_meant:
        raise InvalidConfig(
            f"{path}: chains.{name}",
            "a layout that can't be edited by lines",
            f"a plain table [chains.{name}]",
            f"Write the values by hand:\n{render_endpoint(name, endpoint)}",
        )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    temporary.touch(mode=path.stat().st_mode & 0o777)
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return after


def render_endpoint(name: str, endpoint: EndpointConfig) -> str:
    """Return an endpoint as it stands in a file, for people to copy."""
    return "\n".join(
        [
            f"[chains.{name}]",
            f'gateway = "0x{endpoint.gateway.hex()}"',
            f'genesis_hash = "0x{endpoint.genesis_hash.hex()}"',
            *_render_network_of(name, endpoint.network),
            "",
            *render_bootstrap(name, endpoint.bootstrap),
        ]
    )


def render_bootstrap(name: str, bootstrap: AnyBootstrap) -> list[str]:
    """Return the lines of a bootstrap table."""
    if isinstance(bootstrap, CheckpointConfig):
        return [
            f"[chains.{name}.bootstrap]",
            f'root = "0x{bootstrap.root.hex()}"',
            f"slot = {bootstrap.slot}",
            f"height = {bootstrap.height}",
        ]
    return [
        f"[chains.{name}.bootstrap]",
        f"height = {bootstrap.height}",
        f"timestamp = {bootstrap.timestamp}",
        "validators = [",
        *(f'    "0x{each.hex()}",' for each in bootstrap.validators),
        "]",
    ]


def render_network(name: str, network: NetworkTable) -> list[str]:
    """Return the lines of a network table."""
    forks = (
        f'    {{ name = "{each.name}", epoch = {each.epoch}, version = "0x{each.version.hex()}" }},'
        for each in network.forks
    )
    blobs = [
        f"    {{ epoch = {each.epoch}, max_blobs_per_block = {each.max_blobs_per_block} }},"
        for each in network.blob_schedule
    ]
    return [
        f"[chains.{name}.network]",
        f'preset = "{network.preset}"',
        f"genesis_time = {network.genesis_time}",
        f'genesis_validators_root = "0x{network.genesis_validators_root.hex()}"',
        f"slot_duration_ms = {network.slot_duration_ms}",
        "forks = [",
        *forks,
        "]",
        *(["blob_schedule = [", *blobs, "]"] if blobs else []),
    ]


def _render_network_of(name: str, network: NetworkName | NetworkTable | None) -> list[str]:
    if network is None:
        return []
    return [f'network = "{network}"'] if isinstance(network, str) else ["", *render_network(name, network)]


def _find_table(lines: list[str], name: str) -> int | None:
    pattern = re.compile(rf"\s*\[\s*{re.escape(name)}\s*\]\s*(#.*)?$")
    return next((number for number, line in enumerate(lines) if pattern.match(line)), None)


def _end_of_table(lines: list[str], start: int) -> int:
    """The line after the table's last one that says something."""
    end = next((n for n in range(start + 1, len(lines)) if _TABLE.match(lines[n])), len(lines))
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end


def _has_key(lines: list[str], start: int, key: str) -> bool:
    return any(re.match(rf"\s*{key}\s*=", line) for line in lines[start : _end_of_table(lines, start)])


def _set_key(lines: list[str], start: int, key: str, value: str) -> list[str]:
    """Replace a key's line, or its commented one, or add it as the table's last."""
    end = next((n for n in range(start + 1, len(lines)) if _TABLE.match(lines[n])), len(lines))
    for pattern in (rf"\s*{key}\s*=", rf"\s*#\s*{key}\s*="):
        for number in range(start + 1, end):
            if re.match(pattern, lines[number]):
                return [*lines[:number], f"{key} = {value}", *lines[number + 1 :]]
    at = _end_of_table(lines, start)
    return [*lines[:at], f"{key} = {value}", *lines[at:]]
