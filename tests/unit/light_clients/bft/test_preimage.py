# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.bft.preimage import NO_VOTE, ROUND_ZERO, BftKind, KindChange, Preimage
from tests.support import rlp
from tests.support.bft import PRAGUE, Draft, validators

FOUR = validators(4)


def draft(kind: BftKind = BftKind.QBFT, **changes: object) -> Draft:
    return replace(Draft(kind, FOUR, number=7, tail=PRAGUE), **changes)  # type: ignore[arg-type]


def preimage(kind: BftKind) -> Preimage:
    """Of no header, round 0."""
    round_ = ROUND_ZERO.get(kind, bytes(65))
    return Preimage(kind, b"front", bytes(32), b"listed", NO_VOTE[kind], round_, b"tail")


@pytest.mark.parametrize("kind", [BftKind.QBFT, BftKind.IBFT2])
def test_the_round_changes_what_is_sealed_and_not_the_block(kind: BftKind) -> None:
    first, later = draft(kind).header(), draft(kind, round=5).header()
    assert first.block_hash == later.block_hash
    assert first.commit_seal_hash != later.commit_seal_hash


def test_each_protocol_hashes_extra_data_in_its_own_way() -> None:
    names = set()
    for kind in BftKind:
        found = preimage(kind)
        names |= {found.block_hash(), found.commit_seal_hash()}
    # QBFT names a block of round 0 as it is sealed: round 0 and an empty list stand for what is left out
    assert len(names) == 5
    assert preimage(BftKind.QBFT).block_hash() == preimage(BftKind.QBFT).commit_seal_hash()


@pytest.mark.parametrize(
    "change", [{"nonce": b"\xff" * 8}, {"proposer_seal": bytes(65)}, {"vanity": b"\1" * 32}, {"number": 8}]
)
def test_all_of_a_legacy_block_is_in_its_name_and_sealed(change: dict[str, object]) -> None:
    one, other = draft(BftKind.ISTANBUL).header(), draft(BftKind.ISTANBUL, **change).header()
    assert one.block_hash != other.block_hash
    assert one.commit_seal_hash != other.commit_seal_hash


def test_a_change_of_the_protocol_begins_with_its_block() -> None:
    change = KindChange(BftKind.IBFT2, BftKind.QBFT, 150)
    assert [change.at(number) for number in (1, 149, 150, 2**64)] == [BftKind.IBFT2] * 2 + [BftKind.QBFT] * 2
    assert (change.arguments(), BftKind.ISTANBUL.arguments()) == ((1, 0, 150), (2, 2, 0))
    assert {kind.at(number) for kind in BftKind for number in (0, 2**64)} == set(BftKind)


def test_constants_are_the_rlp_of_what_they_stand_for() -> None:
    assert {
        BftKind.QBFT: rlp.encode([]),
        BftKind.IBFT2: rlp.encode(b""),
        BftKind.ISTANBUL: bytes(8),
    } == NO_VOTE
    assert {BftKind.QBFT: rlp.encode(b""), BftKind.IBFT2: rlp.encode(bytes(4))} == ROUND_ZERO
