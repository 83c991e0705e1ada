# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.bft.header import BftHeader, BftKind, compact_seal, parse_extra_data
from light_clients.codec import execution_header
from light_clients.ecdsa import recover
from light_clients.errors import EncodingRejected, HeaderRejected, Rejection, ValidatorSetRejected
from tests.support import rlp
from tests.support.bft import FORK_TAILS, PRAGUE, Draft, validator, validators
from tests.support.secp256k1 import N

KINDS = list(BftKind)
FOUR = validators(4)


def draft(kind: BftKind = BftKind.QBFT, **changes: object) -> Draft:
    return replace(Draft(kind, FOUR, number=7, tail=PRAGUE), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fork", FORK_TAILS)
def test_headers_of_every_fork_are_read_from_rlp_and_json(kind: BftKind, fork: str) -> None:
    made = draft(kind, tail=FORK_TAILS[fork], bloom=bytes(255) + b"\x01", vanity=b"v" * 32, round=3)
    header = BftHeader.from_rlp(made.encode(), kind)
    assert header == BftHeader.from_rpc(made.rpc(), kind)
    assert header.block_hash == made.block_hash()
    assert header.commit_seal_hash == made.seal_hash()
    assert (header.number, header.timestamp, header.validators) == (
        7,
        made.timestamp,
        tuple(made.addresses()),
    )
    assert list(header.sealers()) == [0, 1, 2, 3]
    assert header.tail == FORK_TAILS[fork]


@pytest.mark.parametrize("kind", KINDS)
def test_votes_are_part_of_the_block(kind: BftKind) -> None:
    voted = draft(kind, vote=(validator("new").address, b"\xff")).header()
    assert voted.block_hash != draft(kind).header().block_hash
    assert len(voted.sealers()) == 4


def test_seals_of_others_and_second_seals_do_not_count() -> None:
    stranger = validator("stranger")
    made = draft(sealers=[FOUR[2], stranger, FOUR[0], FOUR[2]])
    assert len(made.header().seals) == 4
    assert list(made.header().sealers()) == [0, 2]


def test_seals_over_another_hash_do_not_count() -> None:
    made = draft(sealers=FOUR[:2], extra_seals=[FOUR[2].sign(draft(round=1).seal_hash())])
    assert list(made.header().sealers()) == [0, 1]


def test_a_malformed_parity_does_not_count() -> None:
    seal = FOUR[2].sign(draft().seal_hash())
    for parity in (2, 27, 28, 255):
        made = draft(sealers=[], extra_seals=[seal[:64] + bytes([parity])])
        assert made.header().sealers() == {}


def test_seals_are_given_in_64_bytes_that_recover_to_the_same_key() -> None:
    header = draft().header()
    for index, seal in header.sealers().items():
        low = seal[:32] + bytes([seal[32] & 0x7F]) + seal[33:]
        assert recover(header.commit_seal_hash, low, seal[32] >> 7) == header.validators[index]


def test_a_high_s_gives_way_to_its_low_twin() -> None:
    seal = FOUR[0].sign(draft().seal_hash())
    high = (N - int.from_bytes(seal[32:64], "big")).to_bytes(32, "big")
    twin = seal[:32] + high + bytes([1 - seal[64]])
    assert compact_seal(twin) == compact_seal(seal)
    assert (
        draft(sealers=[], extra_seals=[twin]).header().sealers()
        == draft(sealers=[FOUR[0]]).header().sealers()
    )


def test_the_caller_may_change_what_sealers_gave() -> None:
    header = draft().header()
    header.sealers().clear()
    assert len(header.sealers()) == 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"number": 0}, "block 0"),
        ({"difficulty": 2}, "difficulty"),
        ({"difficulty": 0}, "difficulty"),
        ({"mix_hash": bytes(32)}, "mixHash"),
        ({"ommers": bytes(32)}, "sha3Uncles"),
        ({"members": []}, "validator list is empty"),
        ({"members": [*FOUR, bytes(20)]}, "zero address"),
        ({"members": [*FOUR, FOUR[1]]}, "listed twice"),
        ({"members": [FOUR[0], b"\x01" * 19]}, "a validator has another shape"),
        ({"extra_seals": [bytes(64)]}, "a seal has another shape"),
        ({"extra_seals": [bytes(66)]}, "a seal has another shape"),
        ({"gas_limit": 2**64}, "gasLimit is too large"),
        ({"timestamp": 2**64}, "timestamp is too large"),
        ({"bloom": bytes(255)}, "logsBloom"),
        ({"beneficiary": bytes(21)}, "miner"),
        ({"state_root": bytes(31)}, "stateRoot"),
        ({"tail": (*PRAGUE, b"\x01")}, "number of fields"),
    ],
)
def test_headers_that_break_a_rule_are_refused(
    kind: BftKind, changes: dict[str, object], reason: str
) -> None:
    made = draft(kind, **changes)
    with pytest.raises(HeaderRejected, match=reason):
        made.header()
    if reason != "number of fields":
        with pytest.raises(HeaderRejected, match=reason):
            BftHeader.from_rpc(made.rpc(), kind)


@pytest.mark.parametrize("kind", [BftKind.QBFT, BftKind.IBFT2])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nonce": b"\xff" * 8}, "nonce"),
        ({"vanity": bytes(31)}, "vanity"),
        ({"vote": (b"\x01" * 40, b"\x02" * 40)}, "vote is too long"),
    ],
)
def test_who_votes_in_extra_data_has_rules_for_it(
    kind: BftKind, changes: dict[str, object], reason: str
) -> None:
    for read in (
        draft(kind, **changes).header,
        lambda: BftHeader.from_rpc(draft(kind, **changes).rpc(), kind),
    ):
        with pytest.raises(HeaderRejected, match=reason):
            read()


def test_legacy_istanbul_votes_by_the_nonce() -> None:
    for nonce in (b"\xff" * 8, bytes(8), b"\x01" * 8):
        header = draft(BftKind.ISTANBUL, nonce=nonce).header()
        assert (header.vote, len(header.sealers())) == (nonce, 4)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (bytes(32) + rlp.encode([[b"\1" * 20], bytes(64), []]), "proposer's seal has another length"),
        (bytes(32) + rlp.encode([[b"\1" * 20], [], []]), "proposer's seal is a list"),
        (bytes(32) + rlp.encode([[b"\1" * 20], bytes(65)]), "another shape"),
        (bytes(32) + rlp.encode([[b"\1" * 20], bytes(65), [], b""]), "another shape"),
        (bytes(32) + rlp.encode([[b"\1" * 20], bytes(65), [bytes(64)]]), "a seal has another shape"),
        (bytes(32) + rlp.encode([[b"\1" * 19], bytes(65), []]), "a validator has another shape"),
        (bytes(32) + rlp.encode(b"text"), "another shape"),
    ],
)
def test_the_extra_data_of_legacy_istanbul_has_three_parts(extra: bytes, reason: str) -> None:
    block = draft(BftKind.ISTANBUL).rpc() | {"extraData": "0x" + extra.hex()}
    with pytest.raises(HeaderRejected, match=reason):
        BftHeader.from_rpc(block, BftKind.ISTANBUL)


def test_the_largest_set_is_read_and_a_larger_one_refused() -> None:
    many = [bytes([1, i // 256, i % 256]) + bytes(17) for i in range(256)]
    assert len(draft(members=many[:255]).header().validators) == 255
    with pytest.raises(ValidatorSetRejected, match="too long"):
        draft(members=many).header()


def test_the_other_protocol_is_told_by_the_hash() -> None:
    made = draft(BftKind.IBFT2)
    with pytest.raises(HeaderRejected, match="is the chain QBFT"):
        BftHeader.from_rpc(made.rpc(), BftKind.QBFT)


@pytest.mark.parametrize(
    "extra",
    [
        [],
        [bytes(32), [], [], b""],
        [bytes(32), [], [], b"", [], []],
        [[], [], [], b"", []],
        [bytes(32), b"", [], b"", []],
        [bytes(32), [[]], [], b"", []],
        [bytes(32), [], [], [], []],
        [bytes(32), [], [], bytes(5), []],
        [bytes(32), [], [], b"", b""],
        bytes(32),
    ],
)
def test_extra_data_of_another_shape_is_refused(extra: rlp.Item) -> None:
    with pytest.raises(HeaderRejected):
        parse_extra_data(rlp.encode(extra), BftKind.QBFT)


def test_extra_data_that_is_not_canonical_is_refused() -> None:
    with pytest.raises(EncodingRejected):
        parse_extra_data(rlp.encode([bytes(32), [], [], b"", []]) + b"\x00", BftKind.QBFT)
    with pytest.raises(EncodingRejected):
        parse_extra_data(b"", BftKind.QBFT)


# --- a node's JSON is hostile -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["parentHash", "stateRoot", "logsBloom", "number", "extraData", "timestamp", "nonce"]
)
@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        True,
        b"0x00",
        "",
        "0x",
        "00",
        "0xzz",
        "0x0g",
        "x" * 5000,
        "0x" + "0" * 131080,
        ["0x1"],
        {"a": 1},
        "0x١",
        "0x1_0",
        " 0x1",
    ],
)
def test_malformed_fields_are_refused(name: str, value: object) -> None:
    with pytest.raises(Rejection):
        BftHeader.from_rpc(draft().rpc() | {name: value}, BftKind.QBFT)


def test_every_field_is_bound_to_the_hash() -> None:
    block = draft(bloom=b"\x01" * 256).rpc()
    for name in set(block) - {"hash", "size", "transactions"}:
        value = str(block[name])
        # Of extraData only what is before the seals is hashed: turn a digit of the vanity.
        at = 20 if name == "extraData" else len(value) - 1
        turned = value[:at] + f"{int(value[at], 16) ^ 1:x}" + value[at + 1 :]
        with pytest.raises(Rejection):
            BftHeader.from_rpc(block | {name: turned}, BftKind.QBFT)


def test_a_missing_field_is_named() -> None:
    block = draft().rpc()
    del block["stateRoot"]
    with pytest.raises(HeaderRejected, match="no stateRoot"):
        BftHeader.from_rpc(block, BftKind.QBFT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", range(7))
def test_fields_that_are_told_and_not_hashed_are_left_out(kind: BftKind, count: int) -> None:
    """Nodes tell fields of forks that a block is not of."""
    made, more = draft(kind, tail=PRAGUE[:count]), draft(kind, tail=PRAGUE).rpc()
    told = {**more, **made.rpc()}
    assert BftHeader.from_rpc(told, kind) == made.header()
    # A gap hides what is behind it.
    if count < len(PRAGUE) - 1:
        del told[execution_header.FIELDS[15 + count].name]
        assert BftHeader.from_rpc(told, kind) == made.header()
    told["hash"] = "0x" + "11" * 32
    with pytest.raises(HeaderRejected, match="another block"):
        BftHeader.from_rpc(told, kind)


def test_a_hash_is_compared_when_it_is_named() -> None:
    block = draft().rpc()
    assert BftHeader.from_rpc(block | {"hash": None}, BftKind.QBFT) == draft().header()
    for other in ("0x" + "11" * 32, "0x11", 5):
        with pytest.raises(HeaderRejected):
            BftHeader.from_rpc(block | {"hash": other}, BftKind.QBFT)


def test_seals_are_not_part_of_the_hash_and_thus_judged_apart() -> None:
    one, other = draft(sealers=FOUR[:3]), draft(sealers=FOUR[1:])
    assert one.header().block_hash == other.header().block_hash
    assert one.header().sealers().keys() != other.header().sealers().keys()
