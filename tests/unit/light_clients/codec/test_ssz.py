# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import pytest

from light_clients.codec.ssz import (
    BYTES32,
    UINT64,
    UINT256,
    Bitvector,
    ByteList,
    ByteVector,
    Container,
    Uint,
    Vector,
    Zeroable,
    merkleize,
)
from light_clients.errors import EncodingRejected


@dataclass(frozen=True)
class Mixed:
    number: int
    first: bytes
    flags: tuple[bool, ...]
    second: bytes


MIXED = Container(
    Mixed, {"number": UINT64, "first": ByteList(4), "flags": Bitvector(10), "second": ByteList(4)}
)
VALUE = Mixed(7, b"ab", (True,) + (False,) * 8 + (True,), b"c")
ENCODED = bytes.fromhex("070000000000000012000000010214000000") + b"ab" + b"c"


def test_a_container_is_as_written_out_by_hand() -> None:
    assert MIXED.encode(VALUE) == ENCODED
    assert MIXED.decode(ENCODED) == VALUE
    assert MIXED.size is None
    leaves = [
        (7).to_bytes(32, "little"),
        sha256(b"ab".ljust(32, b"\0") + (2).to_bytes(32, "little")).digest(),
        bytes.fromhex("0102").ljust(32, b"\0"),
        sha256(b"c".ljust(32, b"\0") + (1).to_bytes(32, "little")).digest(),
    ]
    assert MIXED.hash_tree_root(VALUE) == merkleize(leaves)


@pytest.mark.parametrize(
    ("encoded", "what"),
    [
        (ENCODED[:17], "another length"),
        (ENCODED[:8] + b"\x13" + ENCODED[9:], "offset of Mixed.first"),
        (ENCODED[:8] + b"\x11" + ENCODED[9:], "offset of Mixed.first"),
        (ENCODED[:14] + b"\x11" + ENCODED[15:], "offset of Mixed.first"),
        (ENCODED[:14] + b"\x16" + ENCODED[15:], "offset of Mixed."),
        (ENCODED[:14] + b"\xff\xff\xff\xff" + ENCODED[18:], "offset of Mixed."),
        (ENCODED[:13] + b"\x04" + ENCODED[14:], "padding bit"),
        (ENCODED + b"1234", "too long"),
    ],
)
def test_bytes_that_are_no_encoding_are_rejected(encoded: bytes, what: str) -> None:
    with pytest.raises(EncodingRejected, match=what):
        MIXED.decode(encoded)


def test_bytes_left_over_are_rejected_where_the_size_is_fixed() -> None:
    pair = Container(tuple, {})
    assert pair.size == 0
    for kind, data in ((UINT64, bytes(8)), (BYTES32, bytes(32)), (Vector(BYTES32, 2), bytes(64))):
        kind.decode(data)
        for wrong in (data + b"\0", data[:-1]):
            with pytest.raises(EncodingRejected, match="another length"):
                kind.decode(wrong)


def test_values_of_another_shape_are_not_encoded() -> None:
    attempts: list[Callable[[], object]] = [
        lambda: UINT64.encode(1 << 64),
        lambda: UINT64.encode(-1),
        lambda: BYTES32.encode(bytes(31)),
        lambda: ByteList(2).encode(b"abc"),
        lambda: Bitvector(4).encode((True,) * 5),
        lambda: Vector(BYTES32, 2).encode((bytes(32),)),
        lambda: MIXED.encode(Mixed(1, None, VALUE.flags, b"")),  # type: ignore[arg-type]
    ]
    for encode in attempts:
        with pytest.raises(ValueError, match="expected"):
            encode()
    with pytest.raises(ValueError, match="32 bytes or more"):
        Vector(UINT64, 2)


def test_json_is_decimal_text_and_hex() -> None:
    json = {"number": "7", "first": "0x6162", "flags": "0x0102", "second": "0x63"}
    assert MIXED.to_json(VALUE) == json
    assert MIXED.from_json(json | {"later": 1}, "Mixed") == VALUE
    numbers = Vector(ByteVector(32), 2)
    assert numbers.from_json(["0x" + "00" * 32, "0x" + "ff" * 32], "x") == (bytes(32), b"\xff" * 32)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", 7),
        ("number", "07"),
        ("number", "-7"),
        ("number", "0x7"),
        ("number", "7 "),
        ("number", "٧"),
        ("number", str(1 << 64)),
        ("number", "9" * 5000),
        ("first", "6162"),
        ("first", "0x616"),
        ("first", "0xzz"),
        ("first", None),
        ("first", "0x6162636465"),
        ("flags", "0x01"),
        ("flags", "0x0104"),
        ("flags", [True]),
    ],
)
def test_json_of_another_form_is_rejected(field: str, value: object) -> None:
    with pytest.raises(EncodingRejected):
        MIXED.from_json(MIXED.to_json(VALUE) | {field: value}, "Mixed")


def test_json_without_a_key_or_of_another_kind_is_rejected() -> None:
    with pytest.raises(EncodingRejected, match="malformed"):
        MIXED.from_json({"number": "1"}, "Mixed")
    with pytest.raises(EncodingRejected, match="malformed"):
        MIXED.from_json([], "Mixed")
    with pytest.raises(EncodingRejected, match="2 items"):
        Vector(BYTES32, 2).from_json(["0x"], "x")


def test_a_default_can_stand_for_absence() -> None:
    kind = Zeroable(BYTES32, None)
    assert kind.decode(bytes(32)) is None
    assert kind.encode(None) == bytes(32)
    assert kind.hash_tree_root(None) == bytes(32)
    assert kind.decode(b"\1" * 32) == b"\1" * 32
    assert kind.from_json(kind.to_json(None), "x") is None


def test_integers_are_little_endian() -> None:
    assert Uint(4).encode(1) == bytes.fromhex("01000000")
    assert UINT256.hash_tree_root(1) == b"\1" + bytes(31)


def test_short_and_long_vectors_of_bytes_are_chunked_alike() -> None:
    for size in (4, 32, 33, 48, 64, 65, 96, 256):
        data = bytes(at % 251 for at in range(size))
        chunks = [data[at : at + 32].ljust(32, b"\0") for at in range(0, size, 32)]
        assert ByteVector(size).hash_tree_root(data) == merkleize(chunks)
