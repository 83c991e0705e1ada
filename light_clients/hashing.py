# SPDX-License-Identifier: MIT
"""Keccak-256, straight from the C code: a wrapper that chooses a library at every call costs more than the
hash.

safe-pysha3 is the fast one. Where it is not installed (it has no wheel for macOS), pycryptodome gives the
same digests: four times slower on a block header, eight times on 32 bytes. The choice falls when this module
is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = ["EMPTY_OMMERS", "EMPTY_TRIE_ROOT", "IS_FAST", "SLOW_ADVICE", "keccak256"]

Keccak: TypeAlias = Callable[[bytes], bytes]


def by_pysha3() -> Keccak:
    """Return the hash of safe-pysha3. Raises ImportError where that is not installed."""
    from sha3 import keccak_256

    def keccak256(data: bytes) -> bytes:
        return keccak_256(data).digest()  # type: ignore[no-any-return]

    return keccak256


def by_pycryptodome() -> Keccak:
    """Return the hash of pycryptodome, which keystores need anyway."""
    from Crypto.Hash import keccak

    new = keccak.new

    def keccak256(data: bytes) -> bytes:
        return new(digest_bits=256, data=data).digest()

    return keccak256


def choose() -> tuple[Keccak, bool]:
    """Return the hash of safe-pysha3 where it is installed, else pycryptodome's, and whether it is the fast
    one.
    """
    try:
        return by_pysha3(), True
    except ImportError:
        return by_pycryptodome(), False


_chosen, IS_FAST = choose()

#: Return the 32-byte Keccak-256 digest of bytes (not SHA3-256: the padding differs).
keccak256: Final[Keccak] = _chosen

#: What a person should know and do where the fast one is missing.
SLOW_ADVICE: Final = "Hashing takes four to eight times as long without it: install the package safe-pysha3."

#: keccak256(0x80): the root of a Merkle-Patricia trie that holds nothing.
EMPTY_TRIE_ROOT: Final = keccak256(b"\x80")

#: keccak256 of the RLP of an empty list: the ommers of a block that has none.
EMPTY_OMMERS: Final = keccak256(b"\xc0")
