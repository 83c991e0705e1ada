# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.errors import ProofRejected
from light_clients.proofs.descent import (
    EMPTY_PLACE,
    LEAF,
    OTHER_EXTENSION,
    OTHER_LEAF,
    STEP_BRANCH,
    STEP_FULL,
    descend,
)
from tests.support import rlp
from tests.support.trie import SecureTrie, Trie, keccak

KEY = keccak(bytes(31) + b"\x07")
NIBBLES = KEY.hex()
HASH = b"\x11" * 32


def raw_list(*items: bytes) -> bytes:
    payload = b"".join(items)
    return rlp.header(0xC0, len(payload)) + payload


def turned(depth: int) -> bytes:
    """A key that shares exactly `depth` nibbles with KEY."""
    other = f"{int(NIBBLES[depth], 16) ^ 1:x}"
    return bytes.fromhex(NIBBLES[:depth] + other + NIBBLES[depth + 1 :])


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_the_four_endings() -> None:
    value = rlp.encode(HASH)
    leaf = descend(NIBBLES, Trie({KEY: value}).prove(KEY))
    assert (leaf.kind, leaf.depth, leaf.item, leaf.steps) == (LEAF, 0, value, b"")
    other = descend(NIBBLES, Trie({turned(3): value}).prove(KEY))
    assert (other.kind, other.depth, other.item) == (OTHER_LEAF, 0, value)
    away = descend(NIBBLES, Trie({turned(0): value, turned(0)[:-1] + b"\0": value}).prove(KEY))
    assert (away.kind, away.depth) == (OTHER_EXTENSION, 0)
    three = {bytes([nibble << 4]) * 32: value for nibble in range(16) if nibble != KEY[0] >> 4}
    empty = descend(NIBBLES, Trie(three).prove(KEY))
    assert (empty.kind, empty.depth, empty.path, empty.item) == (EMPTY_PLACE, 1, b"", b"")
    assert empty.steps[0] == STEP_FULL


def test_steps_come_from_the_lowest_upwards() -> None:
    value = rlp.encode(HASH)
    trie = Trie({KEY: value, turned(0): value, turned(1): value})
    found = descend(NIBBLES, trie.prove(KEY))
    # Each of the two branches has one child beside the way
    assert (found.kind, found.depth) == (LEAF, 2)
    assert (found.steps[0], found.steps[35], len(found.steps)) == (STEP_BRANCH, STEP_BRANCH, 70)
    beside = 0x8000 >> (int(NIBBLES[1], 16) ^ 1)
    assert int.from_bytes(found.steps[1:3]) == beside


def test_nodes_that_no_trie_of_hashed_keys_has_are_refused() -> None:
    branch = raw_list(*[b"\x80"] * 16, b"\x05")
    with pytest.raises(ProofRejected, match="only leaves can end"):
        descend(NIBBLES, [branch])
    short = raw_list(rlp.encode(b"\x20" + KEY[:31]), b"\x01")
    with pytest.raises(ProofRejected, match="a length that no key has"):
        descend(NIBBLES, [short])
    whole = raw_list(rlp.encode(b"\x00" + KEY), b"\xa0" + HASH)
    with pytest.raises(ProofRejected, match="as long as a key"):
        descend(NIBBLES, [whole])


def test_too_few_and_too_many_nodes_are_refused() -> None:
    trie = SecureTrie({word(i): rlp.encode(HASH) for i in range(300)})
    nodes = trie.prove(word(7))
    assert len(nodes) > 2
    with pytest.raises(ProofRejected, match="ends before its key"):
        descend(NIBBLES, nodes[:-1])
    with pytest.raises(ProofRejected, match="unused nodes"):
        descend(NIBBLES, [*nodes, nodes[0]])
