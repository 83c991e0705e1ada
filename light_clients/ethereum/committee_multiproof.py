# SPDX-License-Identifier: MIT
"""Who of a sync committee signed, and a multiproof of the keys of those who did not (wire-formats.md §7.3).

A client keeps only the root of a committee, which commits to the keys of its members and to their sum. The
keys of the absent members, each proven to be one of the committee's, are subtracted from that sum; the rest
signed. So the bytes grow with the absent, of whom there are few.

The keys are the leaves of a tree. A node is named by its level (0 is the lowest) and its place there. The
siblings that the absent members' leaves need on their way to the root follow level by level, by ascending
place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from light_clients.bls.encoding import compress_g1
from light_clients.codec.merkle_branch import hash_pair
from light_clients.cursor import Cursor
from light_clients.errors import EncodingRejected, QuorumNotReached

#: A key of 48 bytes fills two chunks of 32.
_KEY_PADDING: Final = bytes(16)


@dataclass(frozen=True, slots=True)
class Participation:
    """Who of a committee is said to have signed. The caller has to compare the root with the trusted
    committee's.

    Attributes:
        signed: how many members signed.
        absent_keys: the keys of those who did not, by ascending index: points of the curve, x ‖ y, 96 bytes
            each.
        pubkeys_root: the root that this leads to, of the committee's `pubkeys`, 32 bytes.
        absent: the indexes of those who did not sign, ascending.
        siblings: the nodes that lead from their keys to that root, 32 bytes each, in the order of the wire.
    """

    signed: int
    absent_keys: tuple[bytes, ...]
    pubkeys_root: bytes
    absent: tuple[int, ...] = ()
    siblings: tuple[bytes, ...] = ()


def read_everybody(cursor: Cursor, committee_size: int) -> Participation:
    """Read `members` of the wire format where nobody is absent: just the root of the keys."""
    return Participation(committee_size, (), cursor.take(32))


def read_members(cursor: Cursor, committee_size: int, threshold: int) -> Participation:
    """Read `members` of the wire format where some are absent.

    The threshold is checked before any key is read, so that nobody can make a reader decompress more keys
    than may be absent.

    Raises:
        EncodingRejected: the bytes are malformed.
        QuorumNotReached: fewer than `threshold` members signed.
        PublicKeyRejected: a key is not on the curve.
    """
    marks = int.from_bytes(cursor.take(committee_size // 8), "little")
    signed = committee_size - marks.bit_count()
    # Where nobody is absent the short form is the only one, so that a participation has one encoding.
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
        QuorumNotReached: fewer than `threshold` did.
    """
    if signed < threshold:
        raise QuorumNotReached(
            "too few of the sync committee signed", found=signed, expected=f"at least {threshold}"
        )


def encode_absent(bits: Sequence[bool]) -> bytes:
    """Encode who is absent: as SSZ encodes a bit vector, with a bit set for each member that did not sign.

    The first member is the lowest bit of the first byte.
    """
    # Nearly everybody signs. Marking the absent leaves zero bytes, whose calldata costs a quarter.
    return sum(1 << index for index, bit in enumerate(bits) if not bit).to_bytes(len(bits) // 8, "little")


def encode_siblings(leaves: Sequence[bytes], places: Sequence[int]) -> bytes:
    """Return the siblings that a multiproof of some leaves needs, in the order in which `read_members` takes
    them.

    Args:
        leaves: all leaves; their number is a power of two.
        places: the places of those that are proven, ascending, at least one.
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
    """Return the root over nodes of the lowest level, of which only some are known.

    Args:
        nodes: the known nodes with their places, by ascending place, at least one.
        depth: the number of levels between them and the root.
        sibling: is asked for a node that can't be computed, by its level (0 is the lowest) and its place; the
            calls come by ascending level and place.
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
    """Return the leaf of a key (48 bytes): the hash of its two chunks."""
    return sha256(compressed + _KEY_PADDING).digest()
