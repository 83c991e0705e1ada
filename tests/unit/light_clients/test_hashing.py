# SPDX-License-Identifier: MIT
from __future__ import annotations

from light_clients.hashing import EMPTY_TRIE_ROOT, keccak256


def test_the_hash_is_keccak_and_not_the_standard_that_came_of_it() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert EMPTY_TRIE_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
