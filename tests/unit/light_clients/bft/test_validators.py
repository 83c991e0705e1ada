# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.bft.validators import MAX_VALIDATORS, check_set, encode_members, quorum, set_hash
from light_clients.errors import ValidatorSetRejected
from tests.support import rlp
from tests.support.trie import keccak


def test_the_set_hash_depends_on_order() -> None:
    assert set_hash([b"\x01" * 20, b"\x02" * 20]) != set_hash([b"\x02" * 20, b"\x01" * 20])
    assert set_hash([b"\x01" * 20]) == keccak(b"\x94" + b"\x01" * 20)


@pytest.mark.parametrize("n", range(1, 26))
def test_a_quorum_is_two_thirds_rounded_up(n: int) -> None:
    assert 3 * quorum(n) >= 2 * n > 3 * (quorum(n) - 1)
    # Two quorums share more members than can be faulty.
    assert 2 * quorum(n) - n > (n - 1) // 3


@pytest.mark.parametrize("count", [1, 3, 4, MAX_VALIDATORS])
def test_a_list_of_distinct_members_is_a_set(count: int) -> None:
    members = [bytes([i + 1]) * 20 for i in range(count)]
    check_set(members)
    payload = encode_members(members)
    assert rlp.header(0xC0, len(payload)) + payload == rlp.encode(members)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([], "empty"),
        ([b"\x01" * 20, bytes(20)], "zero address"),
        ([b"\x01" * 20, b"\x02" * 20, b"\x01" * 20], "listed twice"),
        ([b"\x01" * 21], "another length"),
        ([(i + 1).to_bytes(20) for i in range(256)], "too long"),
    ],
)
def test_what_is_no_set_is_refused(members: list[bytes], reason: str) -> None:
    with pytest.raises(ValidatorSetRejected, match=reason):
        check_set(members)
