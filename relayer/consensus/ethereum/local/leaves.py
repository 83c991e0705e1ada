# SPDX-License-Identifier: MIT
"""Roots of the small types of which the trees are built (consensus-specs, `ssz/simple-serialize.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from light_clients.codec.merkle_branch import hash_pair, merkleize

ZERO: Final = bytes(32)


def uint_leaf(value: int) -> bytes:
    """Return the leaf of a number of up to 256 bits."""
    return value.to_bytes(32, "little")


def bytes_leaf(value: bytes) -> bytes:
    """Return the leaf of at most 32 bytes, such as a fork version."""
    return value.ljust(32, b"\0")


def list_root(leaves: Sequence[bytes], limit: int, length: int) -> bytes:
    """Return the root of a list of `length` values in `leaves`, which could be up to `limit` leaves."""
    return hash_pair(merkleize(leaves, limit), uint_leaf(length))


def bytes_root(value: bytes, limit: int) -> bytes:
    """Return the root of a list of at most `limit` bytes."""
    leaves = [bytes_leaf(value[at : at + 32]) for at in range(0, len(value), 32)]
    return list_root(leaves, (limit + 31) // 32, len(value))
