# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.bft.client import BftClient, BftKind, BftParams, quorum, set_hash
from light_clients.bft.codec import (
    encode_anchor,
    encode_header,
    encode_misbehaviour,
    encode_proof,
    encode_update,
)
from light_clients.bft.reader import ReadHeader, read_header
from light_clients.client import Height, Timestamp
from light_clients.cursor import Cursor
from light_clients.errors import QuorumNotReached, UpdateRejected, ValidatorSetRejected
from tests.support.bft import CANCUN, FORK_TAILS, PRAGUE, SHANGHAI, Draft, Validator, validator, validators
from tests.support.trie import AccountEntry, State

NOW = Timestamp(1_700_000_000)
FOUR = validators(4)


def draft(**changes: object) -> Draft:
    made = Draft(BftKind.QBFT, FOUR, number=11, timestamp=NOW)
    return replace(made, **changes)  # type: ignore[arg-type]


def read(data: bytes, kind: BftKind = BftKind.QBFT) -> ReadHeader:
    cursor = Cursor(data)
    header = read_header(cursor, kind)
    cursor.finish()
    return header


def client(members: list[Validator]) -> BftClient:
    addresses = [member.address for member in members]
    return BftClient.bootstrap(BftParams(BftKind.QBFT, 10**6, 15), addresses, Height(10), NOW)


@pytest.mark.parametrize("n", range(1, 26))
def test_the_least_number_of_seals_is_sent(n: int) -> None:
    made = draft(members=validators(n))
    header = read(encode_anchor(made.header()))
    assert header.sealers.bit_count() == quorum(n)
    few = replace(made, sealers=validators(n)[: quorum(n) - 1])
    with pytest.raises(
        QuorumNotReached, match=f"block 11: found {quorum(n) - 1}, expected at least {quorum(n)} of {n}"
    ):
        encode_anchor(few.header())


@pytest.mark.parametrize("kind", list(BftKind))
@pytest.mark.parametrize("fork", FORK_TAILS)
def test_what_is_sent_hashes_as_the_block_does(kind: BftKind, fork: str) -> None:
    made = draft(
        kind=kind,
        tail=FORK_TAILS[fork],
        round=3,
        vote=(b"\x01" * 20, b"\xff"),
        vanity=b"v" * 32,
        bloom=b"\x03" * 256,
    )
    header = read(encode_anchor(made.header()), kind)
    assert header.preimage.block_hash() == made.block_hash()
    assert header.preimage.commit_seal_hash() == made.seal_hash()


def flags(made: Draft) -> int:
    return int.from_bytes(encode_anchor(made.header())[:2], "big")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0x100),
        ({"transactions_root": b"\x01" * 32}, 0),
        ({"vanity": bytes(31) + b"\x01"}, 0x104),
        ({"vote": (b"\x01" * 20, b"\xff")}, 0x108),
        ({"round": 1}, 0x110),
        ({"tail": SHANGHAI[:1]}, 0x120),
        ({"tail": SHANGHAI}, 0x140),
        ({"tail": CANCUN}, 0x160),
        ({"tail": PRAGUE}, 0x180),
        ({"tail": (b"\x07", b"\x01" * 32)}, 0x1E0),
        ({"tail": (*CANCUN[:2], b"\x01", b"", bytes(32))}, 0x1E0),
        ({"bloom": bytes(255) + b"\x01"}, 0x102),
        ({"bloom": b"\x01" * 256}, 0x101),
    ],
)
def test_constants_are_left_out(changes: dict[str, object], expected: int) -> None:
    assert flags(draft(**changes)) == expected


def test_a_bloom_is_sent_in_its_cheaper_form() -> None:
    # In gas: a zero byte costs 4 and any other 16; each place of the sparse form costs the contract 60 more.
    for ones in (1, 8, 30, 100, 200, 240, 255, 256):
        for spread in (False, True):
            places = {round(i * 256 / ones) for i in range(ones)} if spread else set(range(ones))
            bloom = bytes(0xFF if i in places else 0 for i in range(256))
            data = encode_anchor(draft(bloom=bloom).header())
            assert read(data).preimage.block_hash() == draft(bloom=bloom).block_hash()
            raw = 16 * ones + 4 * (256 - ones)
            sparse = 16 + (16 + 16 + 60) * ones - (12 if 0 in places else 0)
            assert data[1] & 3 == (2 if sparse < raw else 1)


def test_seals_that_are_given_are_sent() -> None:
    header = draft().header()
    seals = header.sealers()
    data = encode_header(header, with_state_root=True, seals={3: seals[3], 0: seals[0]})
    assert read(data).sealers == 0b1001


def test_a_proof_and_misbehaviour_are_headers_behind_one_another() -> None:
    state = State({b"\xaa" * 20: AccountEntry(1)})
    made = draft(state_root=state.root)
    proof = state.prove(b"\xaa" * 20, bytes(32))
    data = encode_proof(proof.storage, proof.account, made.header(), b"\xaa" * 20, bytes(32))
    assert data[:2] == b"\x00\x04"
    assert client(FOUR).storage_at(data, b"\xaa" * 20, bytes(32), NOW).value == bytes(32)
    one, other = made.header(), draft(gas_used=1).header()
    assert encode_misbehaviour(one, other) == encode_anchor(one) + encode_anchor(other)


# --- updates ------------------------------------------------------------------------------------------------


def addresses(members: list[Validator]) -> list[bytes]:
    return [member.address for member in members]


def test_an_update_within_the_set_sends_the_last_header_alone() -> None:
    headers = [draft(number=11 + i).header() for i in range(3)]
    data = encode_update(addresses(FOUR), headers)
    assert data == b"\x01\x00" + encode_anchor(headers[-1])
    assert client(FOUR).update(data, NOW).state.height == 13


@pytest.mark.parametrize(("n", "joining"), [(1, 1), (3, 1), (4, 1), (4, 4), (7, 2), (21, 4)])
def test_members_who_join(n: int, joining: int) -> None:
    trusted = validators(n)
    new = [*validators(joining, start=1000), *trusted]
    data = encode_update(addresses(trusted), [draft(members=new).header()])
    moved = client(trusted).update(data, NOW)
    assert moved.state.set_hash == set_hash(addresses(new))
    cursor = Cursor(data, 2)
    cursor.take(20 * cursor.uint(1))
    cursor.take(cursor.uint(1))
    # Every trusted seal counts twice, so no more than the greater of both quorums is sent.
    assert read_header(cursor, BftKind.QBFT).sealers.bit_count() == max(quorum(n), quorum(n + joining))


def test_seals_are_chosen_for_the_trusted_set() -> None:
    """The cheapest quorum of the new set could leave out just those whom the client trusts."""
    trusted = validators(3)
    new = [*validators(9, start=1000), *trusted]
    data = encode_update(addresses(trusted), [draft(members=new).header()])
    assert client(trusted).update(data, NOW).state.height == 11


def test_a_removal_takes_a_second_header_only_when_it_must() -> None:
    three = FOUR[:3]
    whole = draft(members=three).header()
    assert encode_update(addresses(FOUR), [whole])[0] == 1
    first = draft(members=three, sealers=three[:2]).header()
    second = draft(members=three, sealers=three[1:], number=12).header()
    with pytest.raises(QuorumNotReached, match=r"found 2, expected at least 3 of 4, over at most 8 headers"):
        encode_update(addresses(FOUR), [first])
    data = encode_update(addresses(FOUR), [first, second])
    assert data[0] == 2
    assert client(FOUR).update(data, NOW).state.height == 12
    third = draft(members=three, number=13).header()
    data = encode_update(addresses(FOUR), [first, second, third])
    assert data[0] == 1
    assert client(FOUR).update(data, NOW).state.height == 13


def test_of_many_headers_those_that_bring_most_are_sent() -> None:
    new = [*validators(6), *validators(1, start=1000)]
    trusted = validators(9)
    needed = quorum(7)
    rounds = [new[:needed], new[:needed], new[1 : needed + 1], new[2 : needed + 2]]
    headers = [
        draft(members=new, sealers=sealers, number=11 + i).header() for i, sealers in enumerate(rounds)
    ]
    data = encode_update(addresses(trusted), headers)
    assert data[0] == 2
    moved = client(trusted).update(data, NOW)
    assert (moved.state.height, moved.state.set_hash) == (14, set_hash(addresses(new)))


def test_extra_seals_are_added_when_the_quorums_alone_do_not_overlap_enough() -> None:
    """Two of six leave: the new set's own quorum is three seals, the trusted set's is four."""
    trusted = validators(6)
    new = trusted[:4]
    assert (quorum(4), quorum(6)) == (3, 4)
    data = encode_update(addresses(trusted), [draft(members=new).header()])
    assert client(trusted).update(data, NOW).state.set_hash == set_hash(addresses(new))


def test_updates_that_cannot_be_are_refused_with_the_reason() -> None:
    with pytest.raises(UpdateRejected, match="no header"):
        encode_update(addresses(FOUR), [])
    with pytest.raises(UpdateRejected, match="block 11 lists another set than block 12"):
        encode_update(addresses(FOUR), [draft().header(), draft(number=12, members=FOUR[:3]).header()])
    with pytest.raises(ValidatorSetRejected, match="empty"):
        encode_update([], [draft().header()])
    strangers = [validator(f"stranger {i}") for i in range(4)]
    with pytest.raises(QuorumNotReached, match="trusted validators"):
        encode_update(addresses(FOUR), [draft(members=strangers).header()])
    with pytest.raises(QuorumNotReached, match="sealed block 11"):
        encode_update(addresses(FOUR), [draft(members=FOUR[:3], sealers=FOUR[:1]).header()])
