# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.codec import rlp
from light_clients.errors import EncodingRejected
from tests.support import rlp as reference

ITEMS: list[reference.Item] = [
    b"",
    b"\x00",
    b"\x7f",
    b"\x80",
    b"dog",
    bytes(55),
    bytes(56),
    bytes(255),
    bytes(256),
    bytes(65536),
    [],
    [[]],
    [b"", [b"\x01", [b"x" * 60]], b"y" * 300],
    [bytes(54)],
    [bytes(55)],
]


@pytest.mark.parametrize("item", ITEMS)
def test_items_are_encoded_as_the_reference_does_and_come_back(item: reference.Item) -> None:
    encoded = rlp.encode(item)
    assert encoded == reference.encode(item)
    assert rlp.decode(encoded) == item


@pytest.mark.parametrize(
    ("number", "encoded"), [(0, "80"), (1, "01"), (127, "7f"), (128, "8180"), (1024, "820400")]
)
def test_integers_are_encoded_without_leading_zeros(number: int, encoded: str) -> None:
    assert rlp.encode(number) == rlp.encode_int(number) == bytes.fromhex(encoded)


def test_lists_of_anything_encodable_nest() -> None:
    assert rlp.encode([1, (b"a", 2), []]) == reference.encode([b"\x01", [b"a", b"\x02"], []])


@pytest.mark.parametrize("item", [-1, 1.5, "text", None, True, [b"a", object()]])
def test_what_rlp_cannot_say_is_refused(item: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        rlp.encode(item)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "missing"),
        ("8100", "below 0x80"),
        ("817f", "below 0x80"),
        ("c28101", "below 0x80"),
        ("b800", "not minimal"),
        ("b837" + "00" * 55, "not minimal"),
        ("b90038" + "00" * 56, "not minimal"),
        ("b9", "length is cut short"),
        ("bb0000", "length is cut short"),
        ("f8", "length is cut short"),
        ("f837" + "80" * 55, "not minimal"),
        ("f90038" + "80" * 56, "not minimal"),
        ("8361", "cut short"),
        ("b838" + "61" * 55, "cut short"),
        ("c3", "cut short"),
        ("c26181", "cut short"),
        ("c283616263", "cut short"),
        ("bfffffffffffffffff", "cut short"),
        ("ffffffffffffffffff00", "cut short"),
        ("8000", "left over"),
        ("c000", "left over"),
        ("6161", "left over"),
    ],
)
def test_only_the_one_canonical_encoding_is_read(data: str, reason: str) -> None:
    with pytest.raises(EncodingRejected, match=reason):
        rlp.decode(bytes.fromhex(data))


def test_hostile_nesting_is_refused_before_the_stack_is() -> None:
    data = b"\xc0"
    for _ in range(5000):
        data = reference.header(0xC0, len(data)) + data
    with pytest.raises(EncodingRejected, match="nest too deep"):
        rlp.decode(data)


def test_nesting_up_to_the_limit_is_read() -> None:
    data = b"\x80"
    for _ in range(rlp.MAX_DEPTH):
        data = reference.header(0xC0, len(data)) + data
    assert rlp.encode(rlp.decode(data)) == data


def test_integers_are_read_in_their_shortest_form_and_within_their_size() -> None:
    assert rlp.decode_int(b"", 64) == 0
    assert rlp.decode_int(b"\xff" * 8, 64) == 2**64 - 1
    with pytest.raises(EncodingRejected, match="leading zero"):
        rlp.decode_int(b"\x00\x01", 64)
    with pytest.raises(EncodingRejected, match="leading zero"):
        rlp.decode_int(b"\x00", 64)
    with pytest.raises(EncodingRejected, match="too large"):
        rlp.decode_int(b"\x01" + bytes(8), 64)
