# SPDX-License-Identifier: MIT
"""Binary Merkle trees over SHA-256, as SSZ has them, and branches of them (consensus-specs, `ssz/merkle-proofs.md`).

A place in a tree is its generalized index: 1 is the root, 2n and 2n + 1 are the children of n.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

ZERO_CHUNK: Final = bytes(32)


def hash_pair(left: bytes, right: bytes) -> bytes:
    """The parent of two nodes of 32 bytes."""
    return sha256(left + right).digest()


def _zero_hashes(depth: int) -> tuple[bytes, ...]:
    hashes = [ZERO_CHUNK]
    for _ in range(depth):
        hashes.append(hash_pair(hashes[-1], hashes[-1]))
    return tuple(hashes)


#: Roots of trees of zero chunks, by depth.
ZERO_HASHES: Final = _zero_hashes(64)


def merkleize(chunks: Sequence[bytes], limit: int | None = None) -> bytes:
    """The root over chunks of 32 bytes, padded with zero chunks to the next power of two of `limit` or their number.

    Raises:
        ValueError: there are more chunks than `limit`.
    """
    layer, depth = list(chunks), _depth(len(chunks), limit)
    if not layer:
        return ZERO_HASHES[depth]
    for level in range(depth):
        if len(layer) & 1:
            layer.append(ZERO_HASHES[level])
        layer = [sha256(layer[at] + layer[at + 1]).digest() for at in range(0, len(layer), 2)]
    return layer[0]


def compute_merkle_proof(chunks: Sequence[bytes], index: int, limit: int | None = None) -> tuple[bytes, ...]:
    """The branch from a chunk to the root that `merkleize` gives, deepest sibling first.

    Raises:
        ValueError: there are more chunks than `limit`, or the index is none of theirs.
    """
    layer, branch = list(chunks), []
    if not 0 <= index < len(layer):
        raise ValueError(f"found index {index}, expected less than {len(layer)}")
    for level in range(_depth(len(chunks), limit)):
        if len(layer) & 1:
            layer.append(ZERO_HASHES[level])
        branch.append(layer[index ^ 1])
        layer = [hash_pair(layer[at], layer[at + 1]) for at in range(0, len(layer), 2)]
        index >>= 1
    return tuple(branch)


def _depth(count: int, limit: int | None) -> int:
    width = count if limit is None else limit
    if count > width:
        raise ValueError(f"found {count} chunks, expected at most {width}")
    return max(width - 1, 0).bit_length()


def floorlog2(gindex: int) -> int:
    """The depth of a place in its tree.

    Raises:
        ValueError: there is no such place.
    """
    if gindex < 1:
        raise ValueError(f"found generalized index {gindex}, expected at least 1")
    return gindex.bit_length() - 1


def get_subtree_index(gindex: int) -> int:
    """A place's number among those of its depth, from the left."""
    return gindex - (1 << floorlog2(gindex))


def compute_merkle_branch_root(leaf: bytes, branch: Sequence[bytes], index: int) -> bytes:
    """The root of the tree in which `leaf` is number `index` of its depth and `branch` are the siblings upwards."""
    value = leaf
    for sibling in branch:
        value = hash_pair(sibling, value) if index & 1 else hash_pair(value, sibling)
        index >>= 1
    return value


def is_valid_merkle_branch(leaf: bytes, branch: Sequence[bytes], depth: int, index: int, root: bytes) -> bool:
    """Whether `branch`, of exactly `depth` siblings of 32 bytes, leads from `leaf` to `root`."""
    return (
        len(branch) == depth
        and all(len(sibling) == 32 for sibling in branch)
        and compute_merkle_branch_root(leaf, branch, index) == root
    )


def is_valid_normalized_merkle_branch(leaf: bytes, branch: Sequence[bytes], gindex: int, root: bytes) -> bool:
    """Whether a branch leads from the place `gindex` to `root`, after zeros that fill it up to a later fork's depth."""
    extra = len(branch) - floorlog2(gindex)
    if extra < 0 or any(sibling != ZERO_CHUNK for sibling in branch[:extra]):
        return False
    return is_valid_merkle_branch(leaf, branch[extra:], floorlog2(gindex), get_subtree_index(gindex), root)


def normalize_merkle_branch(branch: Sequence[bytes], gindex: int) -> tuple[bytes, ...]:
    """Fill a branch up with zeros in front, to the depth of `gindex`.

    Raises:
        ValueError: it is longer than that.
    """
    extra = floorlog2(gindex) - len(branch)
    if extra < 0:
        raise ValueError(f"found a branch of {len(branch)}, expected at most {floorlog2(gindex)}")
    return (ZERO_CHUNK,) * extra + tuple(branch)
