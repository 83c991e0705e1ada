# SPDX-License-Identifier: MIT
"""Who of a sync committee signed, and the multiproof of those who did not: docs/reference/wire-formats.md §7.3.

The committee's root holds its members' compressed keys in a tree. A node is known by its place in its level; the
siblings of a multiproof come level by level from the leaves upwards, by ascending place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from light_clients.bls.encoding import compress_g1
from light_clients.codec.merkle_branch import hash_pair
from light_clients.cursor import Cursor
from light_clients.errors import EncodingRejected, QuorumNotReached

_KEY_PADDING = bytes(16)


@dataclass(frozen=True, slots=True)
class Participation:
    """Who signed, off the wire.

    Attributes:
        signed: how many members did.
        absent_keys: x ‖ y (96 bytes) of each who did not, by ascending index: points of the curve.
        pubkeys_root: the root of the committee's `pubkeys` that this leads to.
        absent: the indexes of those who did not, ascending.
        siblings: the nodes that lead from their keys to that root, in the order in which they came.
    """

    signed: int
    absent_keys: tuple[bytes, ...]
    pubkeys_root: bytes
    absent: tuple[int, ...] = ()
    siblings: tuple[bytes, ...] = ()


def read_everybody(cursor: Cursor, committee_size: int) -> Participation:
    """Read `members` where nobody is absent."""
    return Participation(committee_size, (), cursor.take(32))


def read_members(cursor: Cursor, committee_size: int, threshold: int) -> Participation:
    """Read `members` where some are absent. Never more keys are read than may be absent.

    Raises:
        EncodingRejected: the bytes are malformed.
        QuorumNotReached: fewer than `threshold` signed.
        PublicKeyRejected: a key is not on the curve.
    """
    marks = int.from_bytes(cursor.take(committee_size // 8), "little")
    signed = committee_size - marks.bit_count()
    if signed == committee_size:
        raise EncodingRejected(
            "nobody is absent where some are said to be", found=signed, expected=f"fewer than {signed}"
        )
    check_threshold(signed, threshold)
    absent = tuple([index for index in range(committee_size) if marks >> index & 1])
    keys = tuple([cursor.take(96) for _ in absent])
    leaves = [hash_key(compress_g1(key)) for key in keys]
    depth = committee_size.bit_length() - 1
    siblings: list[bytes] = []

    def take_sibling(_level: int, _place: int) -> bytes:
        siblings.append(cursor.take(32))
        return siblings[-1]

    root = rebuild(list(zip(absent, leaves, strict=True)), depth, take_sibling)
    return Participation(signed, keys, root, absent, tuple(siblings))


def check_threshold(signed: int, threshold: int) -> None:
    """Check that enough members signed.

    Raises:
        QuorumNotReached: they did not.
    """
    if signed < threshold:
        raise QuorumNotReached(
            "too few of the sync committee signed", found=signed, expected=f"at least {threshold}"
        )


def encode_absent(bits: Sequence[bool]) -> bytes:
    """Participation as SSZ has a bit vector, the first member in the lowest bit of the first byte, with each bit turned."""
    return sum(1 << index for index, bit in enumerate(bits) if not bit).to_bytes(len(bits) // 8, "little")


def encode_siblings(leaves: Sequence[bytes], places: Sequence[int]) -> bytes:
    """The siblings that a multiproof of some leaves needs, in the order in which `read_members` takes them.

    Args:
        leaves: all of them, their number a power of two.
        places: of those that are proven, ascending, at least one.
    """
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([hash_pair(below[at], below[at + 1]) for at in range(0, len(below), 2)])
    siblings: list[bytes] = []

    def sibling(level: int, place: int) -> bytes:
        siblings.append(levels[level][place])
        return siblings[-1]

    rebuild([(place, leaves[place]) for place in places], len(levels) - 1, sibling)
    return b"".join(siblings)


def rebuild(nodes: Sequence[tuple[int, bytes]], depth: int, sibling: Callable[[int, int], bytes]) -> bytes:
    """The root over some nodes, each with its place, by ascending place.

    Args:
        nodes: those of the lowest level that are known.
        depth: levels between them and the root.
        sibling: gives a node that can't be computed, by its level (0 is the lowest) and its place.
    """
    for level in range(depth):
        parents: list[tuple[int, bytes]] = []
        left: bytes | None = None
        for at, (place, node) in enumerate(nodes):
            if place & 1:
                parents.append(
                    (place >> 1, hash_pair(sibling(level, place - 1) if left is None else left, node))
                )
                left = None
            elif at + 1 < len(nodes) and nodes[at + 1][0] == place + 1:
                left = node
            else:
                parents.append((place >> 1, hash_pair(node, sibling(level, place + 1))))
        nodes = parents
    return nodes[0][1]


def hash_key(compressed: bytes) -> bytes:
    """The tree's node for a key (48 bytes): its two chunks."""
    return sha256(compressed + _KEY_PADDING).digest()
