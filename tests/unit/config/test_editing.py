# SPDX-License-Identifier: MIT
"""What a deployment found goes into the file by lines: comments and order stay as their author left them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from relayer.config import (
    BootstrapConfig,
    Bytes20,
    EndpointConfig,
    InvalidConfig,
    load,
    save_endpoint,
    set_endpoint,
)

ENDPOINT = EndpointConfig(
    gateway=b"\x11" * 20,
    genesis_hash=b"\x22" * 32,
    bootstrap=BootstrapConfig(
        height=5, timestamp=9, validators=(Bytes20(b"\x33" * 20), Bytes20(b"\x44" * 20))
    ),
)

FILE = """\
# Ours.
[chains.a]   # the first
chain = "eip155:1"
rpc = ["http://127.0.0.1:1"]  # local
consensus = "qbft"
# gateway = "0x…"   written by `postroad endpoint deploy`

# The second one.
[chains.b]
chain = "eip155:2"
rpc = ["http://127.0.0.1:2"]
consensus = "ibft2"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "postroad.toml"
    path.write_text(text)
    path.chmod(0o640)
    return path


def test_values_are_added_where_they_belong_and_the_rest_stays(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    for name in ("b", "a"):
        save_endpoint(path, name, ENDPOINT)
    config = load(path)
    for name in ("a", "b"):
        assert config.require_endpoint(name) == ENDPOINT
    text = path.read_text()
    for line in FILE.splitlines():
        if "gateway" not in line:
            assert line in text.splitlines()
    assert text.index("# The second one.") < text.index("[chains.b]")
    assert text.count("gateway") == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["postroad.toml"]


def test_twice_is_as_good_as_once(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    save_endpoint(path, "a", ENDPOINT)
    once = path.read_text()
    save_endpoint(path, "a", ENDPOINT)
    assert path.read_text() == once


def test_a_new_gateway_replaces_the_old_but_a_chosen_bootstrap_stays(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    save_endpoint(path, "a", ENDPOINT)
    other = EndpointConfig(
        gateway=b"\x55" * 20,
        genesis_hash=ENDPOINT.genesis_hash,
        bootstrap=BootstrapConfig(height=99, timestamp=99, validators=(Bytes20(b"\x66" * 20),)),
    )
    config = save_endpoint(path, "a", other)
    assert config.require_endpoint("a").gateway == b"\x55" * 20
    assert config.require_endpoint("a").bootstrap == ENDPOINT.bootstrap


def test_a_layout_that_lines_cannot_edit_is_left_untouched(tmp_path: Path) -> None:
    inline = 'chains.a = {chain = "eip155:1", rpc = ["http://127.0.0.1:1"], consensus = "qbft"}\n'
    path = write(tmp_path, inline)
    with pytest.raises(InvalidConfig):
        save_endpoint(path, "a", ENDPOINT)
    assert path.read_text() == inline


def test_a_chain_without_a_table_is_told() -> None:
    with pytest.raises(InvalidConfig, match=r"\[chains.c\]"):
        set_endpoint(FILE, "c", ENDPOINT)
