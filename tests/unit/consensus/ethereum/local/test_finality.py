# SPDX-License-Identifier: MIT
"""Justification and finality by epochs, and who is in which committee."""

from __future__ import annotations

import pytest

from light_clients.bls import backend
from light_clients.ethereum.config import Epoch, Period
from relayer.consensus.ethereum.local.finality import Checkpoint, Finality
from relayer.consensus.ethereum.local.keyring import Keyring


def checkpoint(epoch: int) -> Checkpoint:
    return Checkpoint(Epoch(epoch), bytes([epoch]) * 32)


def judged(*votes: float) -> Finality:
    """Finality after epochs 0, 1, 2 ... with these votes."""
    finality = Finality()
    for epoch, share in enumerate(votes):
        finality = finality.end_epoch(checkpoint(epoch), share)
    return finality


@pytest.mark.parametrize(
    ("votes", "finalized", "justified", "bits"),
    [
        ((1.0,), 0, 0, 0b0000),
        ((1.0, 1.0), 0, 1, 0b0001),
        ((1.0, 1.0, 1.0), 1, 2, 0b0011),
        ((1.0, 1.0, 0.0, 1.0), 0, 3, 0b0101),
        ((1.0, 1.0, 0.0, 1.0, 1.0), 3, 4, 0b1011),
        ((1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5), 1, 2, 0b0000),
        ((1.0, 2 / 3, 2 / 3), 1, 2, 0b0011),
        ((1.0, 0.6666, 1.0, 1.0), 2, 3, 0b0011),
        ((1.0, 1.0, 1.0, 1.0, 1.0, 1.0), 4, 5, 0b1111),
    ],
)
def test_what_two_thirds_of_two_epochs_decide(
    votes: tuple[float, ...], finalized: int, justified: int, bits: int
) -> None:
    found = judged(*votes)
    assert (found.finalized.epoch, found.justified.epoch, found.bits) == (finalized, justified, bits)
    if finalized:
        assert found.finalized == checkpoint(finalized)


def test_the_previous_checkpoint_is_the_one_before_the_epoch() -> None:
    assert judged(1.0, 1.0, 1.0, 0.0).previous_justified.epoch == 2
    assert judged(1.0, 1.0, 1.0, 1.0).previous_justified.epoch == 2


def test_committees_change_and_repeat_members_only_when_they_must() -> None:
    many, few = Keyring(b"k", 64, 32), Keyring(b"k", 10, 32)
    assert len(set(many.members(Period(0)))) == 32
    assert set(many.members(Period(0))) != set(many.members(Period(1)))
    seats = [few.members(Period(0)).count(member) for member in range(10)]
    assert sorted(set(seats)) == [3, 4]


def test_the_aggregate_key_is_the_sum_of_all_seats() -> None:
    """Seats, not members: whoever sits twice counts twice."""
    bls, keys = backend(), Keyring(b"k", 5, 8)
    committee = keys.committee(Period(3))
    points = [bls.public_key(key) for key in committee.pubkeys]
    assert bls.aggregate(points).compressed == committee.aggregate_pubkey
    assert len(set(committee.pubkeys)) == 5


def test_committees_are_made_again_after_they_were_forgotten() -> None:
    keys = Keyring(b"k", 5, 8)
    first = keys.committee(Period(0))
    for period in range(1, 20):
        keys.committee(Period(period))
    assert keys.committee(Period(0)) == first
    assert keys.committee(Period(0)) is not first


def test_nobody_signs_with_infinity() -> None:
    assert Keyring(b"k", 5, 8).sign(Period(0), (False,) * 8, bytes(32)) == b"\xc0" + bytes(95)


def test_no_validators_are_no_chain() -> None:
    with pytest.raises(ValueError, match="0 validators"):
        Keyring(b"k", 0, 8)
