# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.errors import ProofRejected
from light_clients.proofs.node import EMPTY, check_child, is_full_branch, read_path, split, string, write_path
from tests.support import rlp

HASHES = [bytes([i]) * 32 for i in range(16)]
FULL = rlp.encode([*HASHES, b""])


@pytest.mark.parametrize("leaf", [False, True])
@pytest.mark.parametrize("path", ["a", "ab", "abc", "0" * 63, "f" * 64])
def test_paths_come_back(path: str, leaf: bool) -> None:
    assert read_path(write_path(path, leaf=leaf)) == (leaf, path)


def test_only_a_leaf_may_have_an_empty_path() -> None:
    assert read_path(write_path("", leaf=True)) == (True, "")
    with pytest.raises(ProofRejected, match="empty path"):
        read_path(write_path("", leaf=False))


def test_a_node_is_split_into_its_encoded_items() -> None:
    assert split(FULL) == [*(b"\xa0" + digest for digest in HASHES), EMPTY]
    assert split(rlp.encode([b"\x20", b"value"])) == [b"\x20", rlp.encode(b"value")]
    assert string(rlp.encode(b"value")) == b"value"


def test_a_full_branch_is_told_by_its_shape() -> None:
    assert is_full_branch(FULL)
    assert not is_full_branch(rlp.encode([*HASHES[:15], b"", b""]))
    assert not is_full_branch(rlp.encode([*HASHES, b"\x05"]))
    # As long as one, but child 3 is a longer string and child 4 a shorter one
    assert not is_full_branch(rlp.encode([*HASHES[:3], bytes(33), bytes(31), *HASHES[5:], b""]))


@pytest.mark.parametrize("child", [rlp.encode(bytes(32)), rlp.encode([b"\x20", b"value"])])
def test_a_child_is_a_hash_or_a_short_node(child: bytes) -> None:
    check_child(child)


@pytest.mark.parametrize("child", [EMPTY, rlp.encode(bytes(31)), rlp.encode([b"\x20", bytes(30)])])
def test_other_children_are_refused(child: bytes) -> None:
    with pytest.raises(ProofRejected):
        check_child(child)
