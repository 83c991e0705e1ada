# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.bft.preimage import NO_VOTE, ROUND_ZERO, BftKind, Preimage
from tests.support import rlp
from tests.support.bft import PRAGUE, Draft, validators

KINDS = list(BftKind)
FOUR = validators(4)


def draft(kind: BftKind = BftKind.QBFT, **changes: object) -> Draft:
    return replace(Draft(kind, FOUR, number=7, tail=PRAGUE), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_the_round_changes_what_is_sealed_and_not_the_block(kind: BftKind) -> None:
    first, later = draft(kind).header(), draft(kind, round=5).header()
    assert first.block_hash == later.block_hash
    assert first.commit_seal_hash != later.commit_seal_hash


def test_each_protocol_hashes_extra_data_in_its_own_way() -> None:
    names = set()
    for kind in KINDS:
        preimage = Preimage(b"front", b"sealed", ROUND_ZERO[kind], b"tail")
        names |= {preimage.block_hash(kind), preimage.commit_seal_hash(kind)}
    # QBFT names a block of round 0 as it is sealed: round 0 and an empty list stand for what is left out
    assert len(names) == 3
    qbft = Preimage(b"front", b"sealed", ROUND_ZERO[BftKind.QBFT], b"tail")
    assert qbft.block_hash(BftKind.QBFT) == qbft.commit_seal_hash(BftKind.QBFT)


def test_constants_are_the_rlp_of_what_they_stand_for() -> None:
    assert {BftKind.QBFT: rlp.encode([]), BftKind.IBFT2: rlp.encode(b"")} == NO_VOTE
    assert {BftKind.QBFT: rlp.encode(b""), BftKind.IBFT2: rlp.encode(bytes(4))} == ROUND_ZERO
