# SPDX-License-Identifier: MIT
"""Tables as they are written into a file: what is read back is what was written, for every kind of consensus."""

from __future__ import annotations

import tomllib
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relayer import config
from relayer.config import Bytes4, Bytes20, Bytes32, ConsensusConfig, SecretUrl, render_table, render_value
from relayer.config.values import decode_value
from relayer.consensus.bft.config import BftConfig, BootstrapConfig
from relayer.consensus.ethereum.config import (
    BlobConfig,
    CheckpointConfig,
    EthereumConfig,
    ForkConfig,
    ForkText,
    NetworkName,
    NetworkTable,
)

URL = SecretUrl("http://user:hunter2@127.0.0.1:5052/key")
BEACON = f'beacon = ["{URL.reveal()}"]'


def sized(kind: Any, size: int) -> st.SearchStrategy[Any]:
    return st.binary(min_size=size, max_size=size).map(kind)


numbers = st.integers(0, 2**63 - 1)
positive = st.integers(1, 2**63 - 1)
bft = st.builds(
    BftConfig,
    protocol=st.sampled_from(["qbft", "ibft2"]),
    bootstrap=st.none()
    | st.builds(
        BootstrapConfig,
        height=positive,
        timestamp=positive,
        validators=st.lists(sized(Bytes20, 20), min_size=1, max_size=7).map(tuple),
    ),
)
tables = st.builds(
    NetworkTable,
    preset=st.sampled_from(["mainnet", "minimal"]),
    genesis_time=positive,
    genesis_validators_root=sized(Bytes32, 32),
    slot_duration_ms=positive,
    forks=st.lists(
        st.builds(
            ForkConfig, name=st.sampled_from(get_args(ForkText)), epoch=numbers, version=sized(Bytes4, 4)
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    blob_schedule=st.lists(st.builds(BlobConfig, epoch=numbers, max_blobs_per_block=numbers), max_size=2).map(
        tuple
    ),
)
ethereum = st.builds(
    EthereumConfig,
    beacon=st.just((URL,)),
    network=st.none() | st.sampled_from(get_args(NetworkName)) | tables,
    threshold=st.none() | st.integers(1, 512),
    bootstrap=st.none() | st.builds(CheckpointConfig, root=sized(Bytes32, 32), slot=numbers, height=positive),
)


def lines_of(consensus: ConsensusConfig) -> list[str]:
    assert isinstance(consensus, msgspec.Struct)
    return render_table("chains.a.consensus", consensus)


@given(bft | ethereum)
def test_what_is_written_is_read_back(consensus: ConsensusConfig) -> None:
    """But for URLs: those are in the file already."""
    lines = lines_of(consensus)
    table = tomllib.loads("\n".join(lines))["chains"]["a"]["consensus"]
    if isinstance(consensus, EthereumConfig):
        assert "beacon" not in table
        table["beacon"] = [URL.reveal()]
    assert msgspec.convert(table, type(consensus), dec_hook=decode_value) == consensus
    assert "hunter2" not in "\n".join(lines)
    # None and defaults are left out, so that a later default is not held back by a file.
    assert ("bootstrap" in table) == (getattr(consensus, "bootstrap") is not None)  # noqa: B009  of either kind


@pytest.mark.parametrize(
    "consensus",
    [
        BftConfig(protocol="ibft2"),
        BftConfig(
            protocol="qbft",
            bootstrap=BootstrapConfig(
                height=17, timestamp=18, validators=(Bytes20(b"\x01" * 20), Bytes20(b"\x02" * 20))
            ),
        ),
        EthereumConfig(beacon=(URL,), network="sepolia", threshold=400),
        EthereumConfig(
            beacon=(URL,),
            network=NetworkTable(
                preset="minimal",
                genesis_time=1_700_000_000,
                genesis_validators_root=Bytes32(b"\x88" * 32),
                slot_duration_ms=1_000,
                forks=(
                    ForkConfig(name="deneb", epoch=0, version=Bytes4(b"\4\0\0\1")),
                    ForkConfig(name="fulu", epoch=8, version=Bytes4(b"\6\0\0\1")),
                ),
                blob_schedule=(BlobConfig(epoch=9, max_blobs_per_block=12),),
            ),
            bootstrap=CheckpointConfig(root=Bytes32(b"\x77" * 32), slot=64, height=5),
        ),
    ],
)
def test_a_rendered_table_makes_a_whole_file(consensus: ConsensusConfig) -> None:
    lines = lines_of(consensus)
    if isinstance(consensus, EthereumConfig):
        lines.insert(1, BEACON)
    text = "\n".join(['[chains.a]\nchain = "eip155:1"\nrpc = ["http://127.0.0.1:1"]', *lines])
    assert config.parse(text, environment={}).chain("a").consensus == consensus


def test_a_table_is_written_as_people_write_it() -> None:
    bootstrap = BootstrapConfig(height=17, timestamp=18, validators=(Bytes20(b"\x01" * 20),))
    assert lines_of(BftConfig(protocol="qbft", bootstrap=bootstrap)) == [
        "[chains.a.consensus]",
        'kind = "bft"',
        'protocol = "qbft"',
        "",
        "[chains.a.consensus.bootstrap]",
        "height = 17",
        "timestamp = 18",
        "validators = [",
        f'    "0x{"01" * 20}",',
        "]",
    ]


@example("\x7f")
@example('"\\\n\0\U0001f600')
@given(st.text() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False))
def test_a_plain_value_is_read_back(value: object) -> None:
    found = tomllib.loads(f"value = {render_value(value)}")["value"]
    assert found == value
    assert type(found) is type(value)


@given(st.lists(st.text(max_size=5), max_size=3).map(tuple))
def test_a_list_is_read_back(values: tuple[str, ...]) -> None:
    assert tomllib.loads(f"values = {render_value(values)}")["values"] == list(values)


def test_bytes_are_hex_and_a_table_in_a_list_stands_inline() -> None:
    assert render_value(b"\x01\xff") == '"0x01ff"'
    fork = ForkConfig(name="deneb", epoch=3, version=Bytes4(b"\4\0\0\1"))
    assert render_value(fork) == '{ name = "deneb", epoch = 3, version = "0x04000001" }'
