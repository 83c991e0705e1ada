# SPDX-License-Identifier: MIT
"""Who proposes, who votes, and how votes are counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_clients.bft.preimage import BftKind
from relayer.consensus.bft.local.sealed_block import ExtraDataParts, SealedBlock, build_block
from relayer.consensus.bft.local.validators import MAX_VALIDATORS, Validators
from relayer.devnet.errors import SpecError
from relayer.devnet.state.anvil_header import AnvilHeader
from relayer.devnet.state.identities import derive_account

ACCOUNTS: Final = [derive_account(b"test", "test", "validator", index) for index in range(30)]


def block_of(
    validators: Validators, number: int, parent_proposer: bytes, round_number: int = 0
) -> SealedBlock:
    """The block that these validators would make, as the block maker makes it."""
    proposer = validators.proposer(number, parent_proposer, round_number)
    header = AnvilHeader(
        *(bytes(32), proposer, bytes(32), bytes(32), bytes(32), bytes(256)),
        number=number,
        gas_limit=1,
        gas_used=0,
        timestamp=number,
        tail=(),
    )
    extra = ExtraDataParts(
        validators.kinds.at(number), validators.at(number), validators.vote_for(proposer), round_number
    )
    return build_block(header, extra, anvil_hash=bytes(32), body_bytes=3)


@given(count=st.integers(1, 30), rounds=st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_proposers_go_round_an_ascending_list(count: int, rounds: list[int]) -> None:
    validators = Validators.of(BftKind.QBFT, ACCOUNTS[:count])
    listed = validators.at(1)
    assert list(listed) == sorted(account.address for account in ACCOUNTS[:count])
    proposer, place = bytes(20), -1
    for number, round_number in enumerate(rounds, 1):
        proposer = validators.proposer(number, proposer, round_number)
        place = (place + 1 + round_number) % count
        assert proposer == listed[place]


@given(count=st.integers(1, 12), add=st.booleans())
def test_a_majority_of_proposers_changes_the_set(count: int, add: bool) -> None:
    """floor(n/2) + 1 distinct proposers vote, and the block after the last one lists the new set."""
    validators = Validators.of(BftKind.QBFT, ACCOUNTS[:count])
    before = validators.current
    candidate = ACCOUNTS[20].address if add else before[0]
    if not add and count == 1:
        with pytest.raises(SpecError):
            validators.wish(candidate, add=False)
        return
    validators.know(ACCOUNTS[20])
    validators.wish(candidate, add=add)
    proposer = bytes(20)
    needed = count // 2 + 1
    for number in range(1, needed + 3):
        block = block_of(validators, number, proposer)
        assert (block.extra.vote is not None) == (number <= needed)
        changed = set(before) | {candidate} if add else set(before) - {candidate}
        assert set(block.extra.validators) == (set(before) if number <= needed else changed)
        validators.advance(block)
        proposer = block.proposer


def test_votes_of_who_left_no_longer_count() -> None:
    validators = Validators.of(BftKind.QBFT, ACCOUNTS[:4])
    validators.know(ACCOUNTS[20])
    validators.wish(ACCOUNTS[20].address, add=True)
    first = block_of(validators, 1, bytes(20))
    validators.advance(first)
    # A transition ends all votes, those for this wish too.
    validators.override([address for address in validators.current if address != first.proposer], 2, 2)
    second = block_of(validators, 2, first.proposer)
    validators.advance(second)
    assert validators.vote_for(second.proposer) is None
    assert ACCOUNTS[20].address not in validators.current


def test_a_planned_list_holds_from_its_block_on() -> None:
    validators = Validators.of(BftKind.QBFT, ACCOUNTS[:4])
    four, three = validators.current, validators.current[:3]
    validators.override(three, 5, 2)
    assert [validators.at(number) for number in (4, 5, 9)] == [four, three, three]


def test_impossible_sets_are_refused() -> None:
    with pytest.raises(SpecError, match="a set of 0"):
        Validators.of(BftKind.QBFT, [])
    with pytest.raises(SpecError, match="listed twice"):
        Validators.of(BftKind.QBFT, [ACCOUNTS[0], ACCOUNTS[0]])
    many = [replace(ACCOUNTS[0], address=index.to_bytes(20, "big")) for index in range(1, MAX_VALIDATORS + 2)]
    with pytest.raises(SpecError, match="a set of 256"):
        Validators.of(BftKind.QBFT, many)
