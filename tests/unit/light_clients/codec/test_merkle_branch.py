# SPDX-License-Identifier: MIT
from __future__ import annotations

from hashlib import sha256

import pytest

from light_clients.codec.merkle_branch import (
    ZERO_CHUNK,
    ZERO_HASHES,
    compute_merkle_branch_root,
    compute_merkle_proof,
    floorlog2,
    get_subtree_index,
    is_valid_merkle_branch,
    is_valid_normalized_merkle_branch,
    merkleize,
    normalize_merkle_branch,
)

A, B, C = (bytes([at]) * 32 for at in (1, 2, 3))


def pair(left: bytes, right: bytes) -> bytes:
    return sha256(left + right).digest()


def test_roots_are_those_written_out_by_hand() -> None:
    assert merkleize([A]) == A
    assert merkleize([A, B]) == pair(A, B)
    assert merkleize([A, B, C]) == pair(pair(A, B), pair(C, ZERO_CHUNK))
    assert merkleize([A], 4) == pair(pair(A, ZERO_CHUNK), ZERO_HASHES[1])
    assert merkleize([]) == ZERO_CHUNK
    assert merkleize([], 4) == ZERO_HASHES[2] == pair(pair(bytes(32), bytes(32)), pair(bytes(32), bytes(32)))
    with pytest.raises(ValueError, match="expected at most 2"):
        merkleize([A, B, C], 2)


def test_every_chunk_has_a_branch_to_the_root() -> None:
    for count in range(1, 10):
        chunks = [bytes([at + 1]) * 32 for at in range(count)]
        root = merkleize(chunks, 16)
        for index, chunk in enumerate(chunks):
            branch = compute_merkle_proof(chunks, index, 16)
            assert is_valid_merkle_branch(chunk, branch, 4, index, root)
            assert not is_valid_merkle_branch(chunk, branch, 4, index ^ 1, root)
            assert not is_valid_merkle_branch(chunk, branch[1:], 4, index, root)
    with pytest.raises(ValueError, match="index 2"):
        compute_merkle_proof([A, B], 2)


def test_a_generalized_index_is_a_depth_and_a_place() -> None:
    assert [(floorlog2(gindex), get_subtree_index(gindex)) for gindex in (1, 2, 3, 55, 105, 169, 2946)] == [
        (0, 0),
        (1, 0),
        (1, 1),
        (5, 23),
        (6, 41),
        (7, 41),
        (11, 898),
    ]
    with pytest.raises(ValueError, match="at least 1"):
        floorlog2(0)


def test_siblings_stand_on_the_side_that_the_index_says() -> None:
    assert compute_merkle_branch_root(A, [B], 0) == pair(A, B)
    assert compute_merkle_branch_root(A, [B], 1) == pair(B, A)


def test_a_branch_of_a_later_form_may_have_zeros_in_front_and_nothing_else() -> None:
    root = pair(pair(B, A), C)
    assert is_valid_normalized_merkle_branch(A, (B, C), 5, root)
    assert is_valid_normalized_merkle_branch(A, (ZERO_CHUNK, ZERO_CHUNK, B, C), 5, root)
    assert not is_valid_normalized_merkle_branch(A, (ZERO_CHUNK, A, B, C), 5, root)
    assert not is_valid_normalized_merkle_branch(A, (B, C, ZERO_CHUNK), 5, root)
    assert not is_valid_normalized_merkle_branch(A, (C,), 5, root)
    assert normalize_merkle_branch((B, C), 21) == (ZERO_CHUNK, ZERO_CHUNK, B, C)
    with pytest.raises(ValueError, match="at most 1"):
        normalize_merkle_branch((B, C), 2)


def test_a_sibling_of_another_length_proves_nothing() -> None:
    # 31 and 33 bytes hash to the same as 32 and 32, were lengths not checked.
    assert not is_valid_merkle_branch(A, (B[:31],), 1, 0, sha256(A + B[:31]).digest())
