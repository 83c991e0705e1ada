# SPDX-License-Identifier: MIT
"""What is spent counts once, in the hour of its signature, and the limit is never passed (INV-5)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from relayer.errors import SpendLimitReached
from relayer.journal.rows import ChainRow, Micros, Purpose, TransactionRow, TransactionState
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from tests.support.journal import commit
from tests.unit.journal.samples import NOW, attempt

HOUR = 3_600_000_000


@pytest.fixture
def chain(journal: Journal) -> ChainRow:
    return commit(journal, lambda writing: writing.put_chain(b"e" * 32, "court", scanned_height=0, at=NOW))


def sign(
    journal: Journal, chain: ChainRow, nonce: int, cost_wei: int, limit_wei: int | None = None
) -> TransactionRow:
    return commit(
        journal,
        lambda writing: writing.add_transaction(
            chain,
            Purpose.DELIVER,
            b"k" * 20,
            nonce,
            attempt(nonce + 1),
            cost_wei=cost_wei,
            limit_wei=limit_wei,
        ),
    )


def spent(journal: Journal, chain: ChainRow, at: int = 0) -> int:
    with journal.reading() as reading:
        return reading.spent_wei(chain, Micros(NOW + at))


def include(row: TransactionRow, fee_wei: int) -> Callable[[Writing], None]:
    return lambda writing: writing.include_transaction(
        row,
        included_hash=b"i" * 32,
        block_number=7,
        block_hash=b"b" * 32,
        succeeded=True,
        gas_used=1_000,
        fee_wei=fee_wei,
        wasted_gas=0,
    )


def test_a_reservation_becomes_what_it_did_cost(journal: Journal, chain: ChainRow) -> None:
    row = sign(journal, chain, 0, 100)
    assert spent(journal, chain) == 100
    commit(journal, lambda writing: writing.add_attempt(row, attempt(50), cost_wei=130))
    assert spent(journal, chain) == 130
    commit(journal, lambda writing: writing.add_attempt(row, attempt(51), cost_wei=20))
    assert spent(journal, chain) == 130
    commit(journal, include(row, 40))
    assert spent(journal, chain) == 40
    commit(journal, lambda writing: writing.set_transaction_state(row, TransactionState.SETTLED))
    assert spent(journal, chain) == 40


@pytest.mark.parametrize("state", [TransactionState.DISPLACED, TransactionState.GIVEN_UP])
def test_what_can_not_land_reserves_nothing(
    journal: Journal, chain: ChainRow, state: TransactionState
) -> None:
    row = sign(journal, chain, 0, 100)
    commit(journal, lambda writing: writing.set_transaction_state(row, state))
    assert spent(journal, chain) == 0


def test_what_may_land_again_is_reserved_again(journal: Journal, chain: ChainRow) -> None:
    row = sign(journal, chain, 0, 100)
    commit(journal, include(row, 40))
    commit(journal, lambda writing: writing.reopen_transaction(row, 100))
    assert spent(journal, chain) == 100


def test_the_limit_is_kept_by_the_commit_that_signs(journal: Journal, chain: ChainRow) -> None:
    first = sign(journal, chain, 0, 60, limit_wei=100)
    with pytest.raises(SpendLimitReached, match="60 wei spent and reserved in 24 hours, and 41 wei more"):
        sign(journal, chain, 1, 41, limit_wei=100)
    assert spent(journal, chain) == 60
    with journal.reading() as reading:
        assert len(reading.live_transactions(chain)) == 1
    with pytest.raises(SpendLimitReached):
        commit(journal, lambda writing: writing.add_attempt(first, attempt(50), cost_wei=101, limit_wei=100))
    sign(journal, chain, 1, 40, limit_wei=100)
    assert spent(journal, chain) == 100
    # What is free is never refused.
    sign(journal, chain, 2, 0, limit_wei=100)


def test_a_day_later_it_counts_no_more(journal: Journal, chain: ChainRow) -> None:
    sign(journal, chain, 0, 60)
    assert spent(journal, chain, 24 * HOUR) == 60
    assert spent(journal, chain, 26 * HOUR) == 0
    # A clock that is set back frees nothing.
    assert spent(journal, chain, -5 * HOUR) == 60


def test_chains_count_apart(journal: Journal, chain: ChainRow) -> None:
    other = commit(journal, lambda writing: writing.put_chain(b"f" * 32, "port", scanned_height=0, at=NOW))
    sign(journal, chain, 0, 10**30)
    assert spent(journal, chain) == 10**30
    assert spent(journal, other) == 0
