# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.bft.preimage import NO_VOTE, ROUND_ZERO, BftKind, BftKinds, KindChange
from light_clients.bft.reader import ReadHeader, read_header
from light_clients.bft.validators import set_hash
from light_clients.cursor import Cursor
from light_clients.errors import Rejection
from tests.support import rlp
from tests.support.bft import FORK_TAILS, PRAGUE, Draft, validator, validators
from tests.support.wire import flag, header_parts, join, prefixed

KINDS = list(BftKind)
FOUR = validators(4)
SPARSE_BLOOM = b"\x05" + bytes(100) + b"\xff" + bytes(153) + b"\x01"


def draft(kind: BftKind = BftKind.QBFT, **changes: object) -> Draft:
    return replace(Draft(kind, FOUR, number=7, tail=PRAGUE), **changes)  # type: ignore[arg-type]


def read(data: bytes, kind: BftKinds = BftKind.QBFT, state_root: bytes | None = None) -> ReadHeader:
    cursor = Cursor(data)
    header = read_header(cursor, kind, state_root)
    cursor.finish()
    return header


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        *({"tail": tail} for tail in FORK_TAILS.values()),
        {"tail": (b"\x07", b"\x01" * 32)},
        {"tail": (b"", *PRAGUE[1:])},
        {"tail": tuple(bytes([i]) * 33 for i in range(1, 7))},
        {"transactions_root": b"\x01" * 32},
        {"receipts_root": b"\x01" * 32},
        {"bloom": b"\x01" * 256},
        {"bloom": SPARSE_BLOOM},
        {"vanity": b"v" * 32},
        {"round": 1},
        {"round": 255},
        {"vote": (b"\x07" * 20, b"\xff")},
        {"vote": (b"\x07" * 20, b""), "round": 70000},
        {"number": 2**64 - 1, "gas_limit": 2**64 - 1, "gas_used": 2**64 - 1, "timestamp": 2**64 - 1},
        {"gas_limit": 0, "timestamp": 0},
        {"sealers": FOUR[1:3]},
        {"sealers": []},
        {"members": validators(9)},
        {"members": validators(25)},
    ],
)
def test_every_form_of_header_hashes_as_the_chain_does(kind: BftKind, changes: dict[str, object]) -> None:
    made = draft(kind, **changes)
    sent = header_parts(made)
    header = read(join(sent), kind)
    assert header.preimage.block_hash() == made.block_hash()
    assert header.preimage.commit_seal_hash() == made.seal_hash()
    assert (header.number, header.timestamp, header.state_root) == (
        made.number,
        made.timestamp,
        made.state_root,
    )
    assert header.set_hash == set_hash(made.addresses())
    signers = made.members if made.sealers is None else list(made.sealers)
    assert header.sealers == sum(1 << made.members.index(member) for member in signers)
    assert b"".join(header.seals) == sent["seals"]


def test_all_forms_of_a_bloom_and_of_a_tail_say_the_same() -> None:
    made = draft(bloom=SPARSE_BLOOM)
    headers = {
        read(join(header_parts(made, bloom_form=form, raw_tail=raw)))
        for form in (1, 2)
        for raw in (False, True)
    }
    assert len(headers) == 1
    empty = draft()
    assert len({read(join(header_parts(empty, bloom_form=form))) for form in (0, 1)}) == 1


def test_a_proof_has_the_state_root_put_in_its_place() -> None:
    made = draft(state_root=b"\x09" * 32)
    assert (
        read(join(header_parts(made, state_root=False)), state_root=b"\x09" * 32).preimage.block_hash()
        == made.block_hash()
    )
    with pytest.raises(Rejection, match="seal 0"):
        read(join(header_parts(made, state_root=False)), state_root=b"\x08" * 32)


def test_a_header_is_read_to_where_it_ends() -> None:
    data = join(header_parts(draft()))
    cursor = Cursor(b"\xee" + data + b"\xee", 1)
    read_header(cursor, BftKind.QBFT)
    assert cursor.pos == 1 + len(data)
    with pytest.raises(Rejection, match="left over"):
        read(data + b"\x00")


def test_every_truncation_is_refused() -> None:
    data = join(
        header_parts(draft(bloom=SPARSE_BLOOM, round=2, vote=(b"\x07" * 20, b"\xff"), vanity=b"v" * 32))
    )
    for length in range(len(data)):
        with pytest.raises(Rejection):
            read(data[:length])


def test_the_wrong_protocol_is_refused() -> None:
    with pytest.raises(Rejection, match="seal 0"):
        read(join(header_parts(draft(BftKind.IBFT2))), BftKind.QBFT)


PLAIN = header_parts(draft(sealers=[]))
FLAGS = int.from_bytes(PLAIN["flags"], "big")


def numbers(*payloads: str) -> bytes:
    return prefixed(bytes.fromhex("".join(payloads)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(({"flags": flag(FLAGS | 1 << bit)}, "unknown flags") for bit in range(9, 16)),
        ({"flags": flag(FLAGS | 3)}, "bloom has an unknown form"),
        ({"flags": flag(FLAGS | 2), "bloom": b"\x01\x05\x00"}, "sparse bloom is malformed"),
        ({"flags": flag(FLAGS | 2), "bloom": b"\x00"}, "sparse bloom is malformed"),
        ({"flags": flag(FLAGS | 2), "bloom": b"\x02\x05\x01\x05\x02"}, "sparse bloom is malformed"),
        ({"flags": flag(FLAGS | 2), "bloom": b"\x02\x05\x01\x04\x02"}, "sparse bloom is malformed"),
        ({"flags": flag(FLAGS & ~0xE0 | 5 << 5)}, "another number of fields"),
        ({"flags": flag(FLAGS & ~0xE0 | 6 << 5)}, "another number of fields"),
        ({"flags": flag(FLAGS | 7 << 5), "tail": b"\x00"}, "another number of fields"),
        ({"flags": flag(FLAGS | 7 << 5), "tail": b"\x07" + bytes(7)}, "another number of fields"),
        ({"flags": flag(FLAGS | 7 << 5), "tail": b"\x01\xc0"}, "is a list"),
        ({"flags": flag(FLAGS | 7 << 5), "tail": b"\x02\x83\x01"}, "cut short"),
        ({"tail": b"\x00"}, "another number of fields"),
        ({"tail": b"\x02\x01\x01"}, "another number of fields"),
        ({"tail": b"\x01\xc0"}, "is a list"),
        ({"tail": b"\x01\x00"}, "leading zero"),
        ({"tail": b"\x03\x82\x00\x01"}, "leading zero"),
        ({"tail": b"\x22\xa1" + b"\x01" * 33}, "too large"),
        ({"numbers": numbers("80", "01", "01", "01")}, "block 0"),
        ({"numbers": numbers("00", "01", "01", "01")}, "leading zero"),
        ({"numbers": numbers("8101", "01", "01", "01")}, "below 0x80"),
        ({"numbers": numbers("01", "820001", "01", "01")}, "leading zero"),
        ({"numbers": numbers("01", "01", "01", "89010000000000000000")}, "too large"),
        ({"numbers": numbers("01", "01", "01")}, "missing"),
        ({"numbers": numbers("01", "01", "01", "01", "01")}, "another length"),
        ({"numbers": numbers("c101", "01", "01", "01")}, "is a list"),
        ({"validators": b"\x00", "bits": b""}, "validator list is empty"),
        ({"bits": b"\x10"}, "no validator"),
        ({"bits": b"\x80"}, "no validator"),
        *(
            ({"flags": flag(FLAGS | bit), name: prefixed(bytes.fromhex(item))}, "not one short RLP item")
            for name, bit in (("vote", 8), ("round", 16))
            for item in (
                "",
                "0101",
                "81",
                "828080ff",
                "c1",
                "c10101",
                "b838" + "00" * 56,
                "f838" + "00" * 56,
                "ff",
                "bf",
            )
        ),
    ],
)
def test_malformed_headers_are_refused(changes: dict[str, bytes], reason: str) -> None:
    read(join(PLAIN))
    with pytest.raises(Rejection, match=reason):
        read(join(PLAIN | changes))


@pytest.mark.parametrize("kind", [BftKind.QBFT, BftKind.IBFT2])
@pytest.mark.parametrize(
    ("vote", "round_"), [(None, 0), (None, 200), ((b"\x07" * 20, b"\xff"), 0), ((b"\x07" * 20, b""), 200)]
)
def test_a_sealed_vote_and_round_cannot_be_split_in_another_way(
    kind: BftKind, vote: tuple[bytes, bytes] | None, round_: int
) -> None:
    """INV-7: else an honest block would have two on-chain hashes, and anyone could freeze the client with
    it.
    """
    made = draft(kind, vote=vote, round=round_)
    parts = header_parts(made)
    between = (parts["vote"][1:] or NO_VOTE[kind]) + (parts["round"][1:] or ROUND_ZERO[kind])
    parts["flags"] = flag(int.from_bytes(parts["flags"], "big") | 8 | 16)
    accepted = []
    for cut in range(len(between) + 1):
        try:
            header = read(
                join(parts | {"vote": prefixed(between[:cut]), "round": prefixed(between[cut:])}), kind
            )
        except Rejection:
            continue
        accepted.append(header.preimage.block_hash())
    assert accepted == [made.block_hash()]


@pytest.mark.parametrize("kind", KINDS)
def test_seals_must_be_their_validators(kind: BftKind) -> None:
    good = header_parts(draft(kind, sealers=FOUR[:2]))
    read(join(good), kind)
    for bits in (b"\x05", b"\x06", b"\x0c", b"\x07", b"\x01"):
        with pytest.raises(Rejection):
            read(join(good | {"bits": bits}), kind)
    first, second = good["seals"][:64], good["seals"][64:]
    for seals in (second + first, first + first, first, first + bytes(64), first + b"\xff" * 64):
        with pytest.raises(Rejection):
            read(join(good | {"seals": seals}), kind)


def test_a_seal_of_nobody_is_not_the_zero_addresss() -> None:
    made = draft(members=[*FOUR[:3], bytes(20)], sealers=FOUR[:3])
    parts = header_parts(made)
    read(join(parts))
    with pytest.raises(Rejection, match="seal 3"):
        read(join(parts | {"bits": b"\x0f", "seals": parts["seals"] + bytes(64)}))


def test_a_foreign_seal_is_refused() -> None:
    made = draft(sealers=FOUR[:2])
    parts = header_parts(made)
    foreign = validator("stranger").sign(made.seal_hash())
    with pytest.raises(Rejection, match="seal 2"):
        read(join(parts | {"bits": b"\x07", "seals": parts["seals"] + foreign[:64]}))


def test_vote_and_round_in_full_are_the_same_as_left_out() -> None:
    for kind, vote, round_ in ((BftKind.QBFT, "c0", "80"), (BftKind.IBFT2, "80", "8400000000")):
        made = draft(kind)
        parts = header_parts(made)
        flags = int.from_bytes(parts["flags"], "big") | 8 | 16
        spelled = parts | {
            "flags": flag(flags),
            "vote": prefixed(bytes.fromhex(vote)),
            "round": prefixed(bytes.fromhex(round_)),
        }
        assert read(join(spelled), kind) == read(join(parts), kind)


def test_legacy_istanbul_has_a_proposers_seal_and_may_vote() -> None:
    made = draft(BftKind.ISTANBUL, nonce=b"\xff" * 8)
    parts = header_parts(made)
    found = read(join(parts), BftKind.ISTANBUL).preimage
    assert (found.block_hash(), found.commit_seal_hash()) == (made.block_hash(), made.seal_hash())
    flags = int.from_bytes(parts["flags"], "big")
    with pytest.raises(Rejection, match="no proposer's seal"):
        read(join(parts | {"flags": flag(flags & ~16), "round": b""}), BftKind.ISTANBUL)
    # No vote in full is the same as left out.
    silent = header_parts(draft(BftKind.ISTANBUL))
    spelled = silent | {"flags": flag(flags), "vote": bytes(8)}
    assert read(join(spelled), BftKind.ISTANBUL) == read(join(silent), BftKind.ISTANBUL)


def test_a_header_is_read_by_the_protocol_of_its_height() -> None:
    change = KindChange(BftKind.IBFT2, BftKind.QBFT, 7)
    for number, right, wrong in ((6, BftKind.IBFT2, BftKind.QBFT), (7, BftKind.QBFT, BftKind.IBFT2)):
        assert read(join(header_parts(draft(right, number=number))), change).preimage.kind is right
        with pytest.raises(Rejection, match="seal 0"):
            read(join(header_parts(draft(wrong, number=number))), change)


def test_the_longest_vote_is_read() -> None:
    made = draft(vote=(b"\x01" * 20, b"\x02" * 33))
    assert len(rlp.encode(made.vote or b"")) == 56
    assert read(join(header_parts(made))).preimage.block_hash() == made.block_hash()
