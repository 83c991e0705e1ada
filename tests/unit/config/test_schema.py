# SPDX-License-Identifier: MIT
"""What follows from a configuration: served lanes, complete endpoints, and a reference that
lists every key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from relayer import config
from relayer.config import InvalidConfig
from relayer.config.consensus import config_of
from relayer.config.shapes import shapes_of
from tests.unit.config.samples import GOOD, parse


def test_without_lanes_every_pair_is_served_both_ways() -> None:
    text = GOOD[: GOOD.index("[[lanes]]")]
    lanes = {(lane.source, lane.destination) for lane in parse(text).served_lanes()}
    assert lanes == {("court", "port"), ("port", "court")}


def test_an_empty_list_of_lanes_serves_none() -> None:
    text = "lanes = []\n" + GOOD[: GOOD.index("[[lanes]]")]
    assert parse(text).served_lanes() == ()


def test_an_unknown_chain_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidConfig, match="Did you mean 'court'"):
        parse(GOOD).chain("curt")


def test_an_endpoint_is_complete_or_says_what_is_missing() -> None:
    endpoint = parse(GOOD).require_endpoint("court")
    assert (endpoint.gateway, endpoint.genesis_hash) == (b"\x11" * 20, b"\x22" * 32)
    assert endpoint.consensus == parse(GOOD).chain("court").consensus
    assert endpoint.consensus.first_height == 17
    with pytest.raises(InvalidConfig, match=r"no gateway, genesis_hash, consensus\.bootstrap"):
        parse(GOOD).require_endpoint("port")


def tables_of(heading: str, struct: type[msgspec.Struct]) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """A table and those that have a heading of their own below it, each with the heading in the reference."""
    yield heading, struct
    for key, shape in shapes_of(struct).items():
        if shape.nesting == "one" and shape.struct is not None:
            yield from tables_of(heading.replace("]", f".{key}]", 1), shape.struct)


def test_every_key_is_in_the_reference() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "config.md").read_text()
    sections: dict[str, type[msgspec.Struct]] = {
        "[journal]": config.JournalConfig,
        "[keys]": config.KeysConfig,
        "[api]": config.ApiConfig,
        "[log]": config.LogConfig,
        "[batch]": config.BatchConfig,
        "[endpoints]": config.EndpointsConfig,
        "[chains.NAME]": config.ChainConfig,
        "[[lanes]]": config.LaneConfig,
    }
    for kind in config.kind_names():
        table = config_of(kind)
        assert issubclass(table, msgspec.Struct)
        sections |= dict(tables_of(f"[chains.NAME.consensus] of kind {kind}", table))
    assert len(sections) == 17
    for heading, struct in sections.items():
        section = text.split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]
        for field in msgspec.structs.fields(struct):
            assert f"| `{field.name}` |" in section, (heading, field.name)
        # And nothing that is not a key any more.
        listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
        assert set(listed) <= {field.name for field in msgspec.structs.fields(struct)}, heading
