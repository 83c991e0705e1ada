# SPDX-License-Identifier: MIT
"""The readers that the official vectors go through: what they take and what they refuse."""

from __future__ import annotations

import pytest

from tests.support import snappy, yaml


def test_snappy_copies_may_reach_into_what_they_write() -> None:
    # "ab", then eight bytes from two back
    assert snappy.decompress(bytes((10, 0b000001_00)) + b"ab" + bytes((0b000_100_01, 2))) == b"ab" * 5
    # A literal of 100 bytes has its length in a byte of its own; then a copy with an offset of two bytes
    text = bytes(range(100))
    data = bytes((103, 60 << 2, 99)) + text + bytes((2 << 2 | 2, 100, 0))
    assert snappy.decompress(data) == text + text[:3]
    assert snappy.decompress(b"\0") == b""


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 6, b"\3\0a", b"\1\4a", b"\1\0ab", b"\2\0a\1\2", b"\5\0a\1\0"]
)
def test_bytes_that_are_no_snappy_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        snappy.decompress(data)


def test_yaml_of_the_vectors_is_read() -> None:
    text = """
# steps
- process_update:
    update:
      update_0x12_sf
    current_slot: 41
    checks:
      header: {slot: 24, root: '0xab'}
- force_update:
    keys: []
    list:
    - a
    - "b"
    empty:
"""
    assert yaml.load(text) == [
        {
            "process_update": {
                "update": "update_0x12_sf",
                "current_slot": "41",
                "checks": {"header": {"slot": "24", "root": "0xab"}},
            }
        },
        {"force_update": {"keys": [], "list": ["a", "b"], "empty": None}},
    ]
    assert yaml.load('x:\n  "0x12\\\n  34"') == {"x": "0x1234"}


@pytest.mark.parametrize("text", ["a: &b 1", "a: |\n  b", "a: 'b", "a: 1\n b: 2"])
def test_yaml_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        yaml.load(text)
