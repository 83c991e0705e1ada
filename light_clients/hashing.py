# SPDX-License-Identifier: MIT
"""Keccak-256, straight from the C extension: a wrapper that chooses a backend costs more than the hash
itself.
"""

from __future__ import annotations

from typing import Final

from sha3 import keccak_256

__all__ = ["EMPTY_TRIE_ROOT", "keccak256"]


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest. SHA3-256 is another function: its padding differs."""
    return keccak_256(data).digest()  # type: ignore[no-any-return]


#: keccak256(0x80): the root of a Merkle-Patricia trie that holds nothing.
EMPTY_TRIE_ROOT: Final = keccak256(b"\x80")
