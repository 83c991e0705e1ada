# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.bft.preimage import BftKind
from light_clients.codec import execution_header, rlp
from light_clients.errors import EncodingRejected, HeaderRejected
from light_clients.hashing import keccak256
from tests.support import rlp as reference
from tests.support.bft import FORK_TAILS, Draft, validators


@pytest.mark.parametrize("fork", FORK_TAILS)
def test_json_and_rlp_give_the_same_fields(fork: str) -> None:
    draft = Draft(BftKind.QBFT, validators(1), tail=FORK_TAILS[fork])
    fields = execution_header.from_rpc(draft.rpc())
    assert len(fields) == 15 + len(FORK_TAILS[fork])
    assert fields == execution_header.from_rlp(draft.encode())
    assert execution_header.encode(fields) == draft.encode()
    assert execution_header.hash_of(fields) == keccak256(draft.encode())


def test_quantities_may_be_padded_in_json_and_not_in_rlp() -> None:
    draft = Draft(BftKind.QBFT, validators(1))
    # besu#8499: nothing behind the 0x.
    for zero in ("0x000", "0x"):
        assert execution_header.from_rpc(draft.rpc() | {"gasUsed": zero}) == execution_header.from_rpc(
            draft.rpc()
        )
    fields: list[reference.Item] = list(execution_header.from_rpc(draft.rpc()))
    with pytest.raises(EncodingRejected, match="leading zero"):
        execution_header.from_rlp(reference.encode([*fields[:8], b"\0\1", *fields[9:]]))


def test_of_the_fields_that_are_told_those_are_taken_that_the_hash_names() -> None:
    draft = Draft(BftKind.QBFT, validators(1), tail=FORK_TAILS["prague"])
    all_fields, name = execution_header.from_rpc(draft.rpc()), execution_header.hash_of
    for count in range(15, 22):
        told = draft.rpc() | {"hash": "0x" + name(all_fields[:count]).hex()}
        assert execution_header.from_rpc(told, name) == all_fields[:count]
    # None fits: it is the caller's to refuse.
    assert execution_header.from_rpc(draft.rpc() | {"hash": "0x" + "11" * 32}, name) == all_fields
    assert execution_header.from_rpc(draft.rpc() | {"hash": None}, name) == all_fields
    with pytest.raises(HeaderRejected, match="hash is malformed"):
        execution_header.from_rpc(draft.rpc() | {"hash": "0x11"}, name)


def test_what_is_behind_a_missing_field_is_no_field() -> None:
    draft = Draft(BftKind.QBFT, validators(1), tail=FORK_TAILS["prague"])
    told = draft.rpc()
    del told["withdrawalsRoot"]
    assert execution_header.from_rpc(told) == execution_header.from_rpc(draft.rpc())[:16]


@pytest.mark.parametrize("item", [b"text", [], [b""] * 14, [b""] * 22])
def test_headers_have_15_to_21_fields(item: reference.Item) -> None:
    with pytest.raises(HeaderRejected, match="number of fields"):
        execution_header.from_rlp(reference.encode(item))


def test_fields_are_strings_of_their_lengths() -> None:
    fields: list[rlp.Item] = list(execution_header.from_rpc(Draft(BftKind.QBFT, validators(1)).rpc()))
    with pytest.raises(HeaderRejected, match="gasUsed is a list"):
        execution_header.from_rlp(rlp.encode([*fields[:10], [b"\1"], *fields[11:]]))
    with pytest.raises(HeaderRejected, match="mixHash has another length"):
        execution_header.from_rlp(rlp.encode([*fields[:13], bytes(31), *fields[14:]]))


@pytest.mark.parametrize("length", [-1, 2])
def test_data_is_read_within_its_length(length: int) -> None:
    assert execution_header.read_data("name", "0xAbcd", length) == b"\xab\xcd"
    too_long = "0x" + "00" * ((1 << 16) + 1)
    for bad in ("0xabc", "abcd", too_long, 5, None):
        with pytest.raises(HeaderRejected, match="name is malformed"):
            execution_header.read_data("name", bad, length)
