# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.codec.merkle_branch import merkleize
from light_clients.cursor import Cursor
from light_clients.errors import EncodingRejected, PublicKeyRejected, QuorumNotReached
from light_clients.ethereum.committee_multiproof import (
    Participation,
    check_threshold,
    encode_absent,
    encode_siblings,
    hash_key,
    read_everybody,
    read_members,
    rebuild,
)
from tests.support.beacon import make_committee

COMMITTEE = make_committee("multiproof", 16)
LEAVES = COMMITTEE.levels[0]


def members(*absent: int) -> bytes:
    """`members` of the wire format, with the keys and siblings of those who are absent."""
    bits = [place not in absent for place in range(16)]
    keys = b"".join(COMMITTEE.seats[place].xy for place in absent)
    return encode_absent(bits) + keys + encode_siblings(LEAVES, absent)


@pytest.mark.parametrize("count", [8, 32, 512])
def test_multiproofs_hold_just_what_cannot_be_computed(count: int) -> None:
    committee = make_committee(f"siblings {count}", 8)
    leaves = [hash_key(bytes([place % 256]) * 48) for place in range(count)]
    root = merkleize(leaves)
    some: list[list[int]] = [[0], [count - 1], [0, 1], [1, 2], [0, 3, count - 1], list(range(count // 3))]
    for places in some:
        parts = split_words(encode_siblings(leaves, places))
        nodes, depth = [(place, leaves[place]) for place in places], count.bit_length() - 1

        def take(_level: int, _place: int, parts: list[bytes] = parts) -> bytes:
            return parts.pop(0)

        assert rebuild(nodes, depth, take) == root
        assert not parts
    assert not encode_siblings(leaves, range(count))
    own = committee.levels[0]
    for few in ([0], [1, 6], [2, 3, 4]):
        assert encode_siblings(own, few) == committee.siblings(few)


def split_words(data: bytes) -> list[bytes]:
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def test_bits_are_those_of_ssz() -> None:
    assert encode_absent([False] + [True] * 15) == b"\x01\x00"
    assert encode_absent([True] * 9 + [False] + [True] * 6) == b"\x00\x02"


@pytest.mark.parametrize("absent", [(0,), (15,), (3, 4), (0, 2, 9, 14, 15)])
def test_who_is_absent_is_read_back_with_the_root_of_all(absent: tuple[int, ...]) -> None:
    cursor = Cursor(members(*absent) + b"rest")
    keys = tuple(COMMITTEE.seats[place].xy for place in absent)
    siblings = tuple(split_words(encode_siblings(LEAVES, absent)))
    expected = Participation(16 - len(absent), keys, merkleize(LEAVES), absent, siblings)
    assert read_members(cursor, 16, 11) == expected
    assert cursor.take(4) == b"rest"


def test_where_nobody_is_absent_there_is_only_the_root() -> None:
    root = merkleize(LEAVES)
    assert read_everybody(Cursor(root), 16) == Participation(16, (), root)
    with pytest.raises(EncodingRejected, match="nobody is absent"):
        read_members(Cursor(bytes(2) + root), 16, 11)


def test_too_few_are_refused_before_a_key_is_read() -> None:
    with pytest.raises(QuorumNotReached, match="found 10, expected at least 11"):
        read_members(Cursor(encode_absent([False] * 6 + [True] * 10)), 16, 11)
    check_threshold(11, 11)


def test_keys_are_points_of_the_curve_and_whole() -> None:
    data = members(5)
    with pytest.raises(PublicKeyRejected):
        read_members(Cursor(data[:2] + b"\1" * 96 + data[98:]), 16, 11)
    for end in range(len(data)):
        with pytest.raises(EncodingRejected, match="cut short"):
            read_members(Cursor(data[:end]), 16, 11)
