# SPDX-License-Identifier: MIT
"""keccak256, straight from the C extension: wrappers that choose a backend cost more than the hash itself."""

from __future__ import annotations

from typing import Final

from sha3 import keccak_256

__all__ = ["EMPTY_TRIE_ROOT", "keccak256"]


def keccak256(data: bytes) -> bytes:
    """The 32-byte Keccak-256 digest (not SHA3-256: the padding differs)."""
    return keccak_256(data).digest()  # type: ignore[no-any-return]


#: keccak256(0x80): the root of a trie that holds nothing.
EMPTY_TRIE_ROOT: Final = keccak256(b"\x80")
