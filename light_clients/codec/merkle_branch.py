# SPDX-License-Identifier: MIT
"""Binary Merkle trees over SHA-256, as SSZ builds them, and their branches (consensus-specs,
`ssz/merkle-proofs.md`).

A node is named by its generalized index: 1 is the root, and 2n and 2n + 1 are the children of n. A branch is
the list of the siblings on the way from a node up to the root, the deepest first. Functions that the
specification has keep its names.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

#: 32 zero bytes: what fills a tree up to a power of two leaves.
ZERO_CHUNK: Final = bytes(32)


def hash_pair(left: bytes, right: bytes) -> bytes:
    """Return the parent of two nodes, 32 bytes each."""
    return sha256(left + right).digest()


def _zero_hashes(depth: int) -> tuple[bytes, ...]:
    hashes = [ZERO_CHUNK]
    for _ in range(depth):
        hashes.append(hash_pair(hashes[-1], hashes[-1]))
    return tuple(hashes)


#: The roots of trees that hold nothing but zero chunks, by their depth.
#: There are more levels than any list of the specification has: the largest limit is 2^40 elements.
ZERO_HASHES: Final = _zero_hashes(64)


def merkleize(chunks: Sequence[bytes], limit: int | None = None) -> bytes:
    """Return the root over chunks of 32 bytes each.

    Zero chunks are appended up to the next power of two of `limit`, or of the number of chunks where there is
    no limit.

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
    """Return the branch from a chunk to the root that `merkleize` gives, the deepest sibling first.

    Raises:
        ValueError: there are more chunks than `limit`, or no chunk has this index.
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
    """Return the depth of the node with a generalized index: 0 for the root.

    Raises:
        ValueError: no node has this index.
    """
    if gindex < 1:
        raise ValueError(f"found generalized index {gindex}, expected at least 1")
    return gindex.bit_length() - 1


def get_subtree_index(gindex: int) -> int:
    """Return the position of the node with a generalized index among the nodes of its depth, from the
    left.
    """
    return gindex - (1 << floorlog2(gindex))


def compute_merkle_branch_root(leaf: bytes, branch: Sequence[bytes], index: int) -> bytes:
    """Return the root that a branch leads to from a leaf, which is at position `index` of its depth."""
    value = leaf
    for sibling in branch:
        value = hash_pair(sibling, value) if index & 1 else hash_pair(value, sibling)
        index >>= 1
    return value


def is_valid_merkle_branch(leaf: bytes, branch: Sequence[bytes], depth: int, index: int, root: bytes) -> bool:
    """Return whether a branch of exactly `depth` siblings leads from the leaf at position `index` to the
    root.
    """
    return (
        len(branch) == depth
        and all(len(sibling) == 32 for sibling in branch)
        and compute_merkle_branch_root(leaf, branch, index) == root
    )


def is_valid_normalized_merkle_branch(leaf: bytes, branch: Sequence[bytes], gindex: int, root: bytes) -> bool:
    """Return whether a branch leads from the node with a generalized index to the root.

    Zero chunks may stand in front of it: objects in the form of a later fork, whose tree is deeper, have
    them.
    """
    extra = len(branch) - floorlog2(gindex)
    if extra < 0 or any(sibling != ZERO_CHUNK for sibling in branch[:extra]):
        return False
    return is_valid_merkle_branch(leaf, branch[extra:], floorlog2(gindex), get_subtree_index(gindex), root)


def normalize_merkle_branch(branch: Sequence[bytes], gindex: int) -> tuple[bytes, ...]:
    """Return a branch with zero chunks put in front of it, up to the depth of `gindex`.

    Raises:
        ValueError: the branch is longer than that.
    """
    extra = floorlog2(gindex) - len(branch)
    if extra < 0:
        raise ValueError(f"found a branch of {len(branch)}, expected at most {floorlog2(gindex)}")
    return (ZERO_CHUNK,) * extra + tuple(branch)
