# SPDX-License-Identifier: MIT
"""What a deployment found goes into the file by lines: comments and order stay as their author left them."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from relayer.config import Bytes20, EndpointConfig, InvalidConfig, load, save_endpoint, set_endpoint
from relayer.consensus.bft.config import BftConfig, BootstrapConfig

CONSENSUS = BftConfig(
    protocol="qbft",
    bootstrap=BootstrapConfig(
        height=5, timestamp=9, validators=(Bytes20(b"\x33" * 20), Bytes20(b"\x44" * 20))
    ),
)
ENDPOINT = EndpointConfig(gateway=b"\x11" * 20, genesis_hash=b"\x22" * 32, consensus=CONSENSUS)

FILE = """\
# Ours.
[chains.a]   # the first
chain = "eip155:1"
rpc = ["http://127.0.0.1:1"]  # local
# gateway = "0x…"   written by `postroad endpoint deploy`

[chains.a.consensus]   # as its owners say
kind = "bft"
protocol = "qbft"

# The second one.
[chains.b]
chain = "eip155:2"
rpc = ["http://127.0.0.1:2"]

[chains.b.consensus]
kind = "bft"
protocol = "qbft"
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
    assert [path.name for path in tmp_path.iterdir()] == ["postroad.toml"]


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
        consensus=BftConfig(
            protocol="qbft",
            bootstrap=BootstrapConfig(height=99, timestamp=99, validators=(Bytes20(b"\x66" * 20),)),
        ),
    )
    config = save_endpoint(path, "a", other)
    assert config.require_endpoint("a").gateway == b"\x55" * 20
    assert config.require_endpoint("a").consensus == CONSENSUS


def test_a_protocol_that_was_chosen_is_never_replaced_by_what_was_found(tmp_path: Path) -> None:
    path = write(tmp_path, FILE.replace('"qbft"', '"ibft2"'))
    consensus = save_endpoint(path, "a", ENDPOINT).require_endpoint("a").consensus
    assert consensus == msgspec.structs.replace(CONSENSUS, protocol="ibft2")


def test_a_bootstrap_that_is_written_inline_is_kept(tmp_path: Path) -> None:
    inline = 'bootstrap = { height = 1, timestamp = 2, validators = ["0x' + "66" * 20 + '"] }'
    path = write(tmp_path, FILE.replace('protocol = "qbft"\n', f'protocol = "qbft"\n{inline}\n', 1))
    config = save_endpoint(path, "a", ENDPOINT)
    assert config.require_endpoint("a").consensus.first_height == 1
    assert inline in path.read_text()
    assert path.read_text().count("bootstrap") == 1


def test_a_layout_that_lines_cannot_edit_is_left_untouched(tmp_path: Path) -> None:
    consensus = '{kind = "bft", protocol = "qbft"}'
    inline = f'chains.a = {{chain = "eip155:1", rpc = ["http://127.0.0.1:1"], consensus = {consensus}}}\n'
    path = write(tmp_path, inline)
    with pytest.raises(InvalidConfig):
        save_endpoint(path, "a", ENDPOINT)
    assert path.read_text() == inline


def test_a_chain_without_a_table_is_told() -> None:
    with pytest.raises(InvalidConfig, match=r"\[chains.c\]"):
        set_endpoint(FILE, "c", ENDPOINT)


def test_a_consensus_that_is_written_inline_is_told_and_left_untouched(tmp_path: Path) -> None:
    inline = FILE.replace(
        '[chains.a.consensus]   # as its owners say\nkind = "bft"\nprotocol = "qbft"\n',
        'consensus = { kind = "bft", protocol = "qbft" }\n',
    )
    path = write(tmp_path, inline)
    with pytest.raises(InvalidConfig, match=r"\[chains\.a\.consensus\]"):
        save_endpoint(path, "a", ENDPOINT)
    assert path.read_text() == inline
