# SPDX-License-Identifier: MIT
"""What is written comes back: transactions and their nonces, batches, the cursors of chains and lanes."""

from __future__ import annotations

import pytest

from relayer.errors import NonceConflict
from relayer.journal.rows import (
    BatchRow,
    ChainRow,
    Micros,
    Purpose,
    StoredBatch,
    TransactionRow,
    TransactionState,
)
from relayer.journal.store import Journal
from tests.support.journal import commit, gas_totals
from tests.unit.journal.samples import NOW, A, add_lane, attempt


def _chain(journal: Journal) -> ChainRow:
    return commit(journal, lambda writing: writing.put_chain(A, "court", scanned_height=0, at=NOW))


def _sign(journal: Journal, chain: ChainRow, nonce: int, number: int = 1) -> TransactionRow:
    return commit(
        journal,
        lambda writing: writing.add_transaction(chain, Purpose.DELIVER, b"k" * 20, nonce, attempt(number)),
    )


def _include(journal: Journal, row: TransactionRow) -> None:
    commit(
        journal,
        lambda writing: writing.include_transaction(
            row,
            included_hash=b"i" * 32,
            block_number=7,
            block_hash=b"b" * 32,
            succeeded=False,
            gas_used=1_000,
            fee_wei=10**30,
            wasted_gas=1_000,
        ),
    )


def test_a_nonce_is_never_signed_twice_while_it_may_land(journal: Journal) -> None:
    """INV-6: the journal refuses what the sender should never ask for."""
    chain = _chain(journal)
    first = _sign(journal, chain, 5)
    with pytest.raises(NonceConflict, match="nonce 5"):
        _sign(journal, chain, 5, 2)
    commit(journal, lambda writing: writing.set_transaction_state(first, TransactionState.DISPLACED))
    assert _sign(journal, chain, 5, 2) != first


def test_what_was_given_up_is_signed_again_with_the_same_bytes(journal: Journal) -> None:
    """The same call with the same nonce and price has one signature: it must not look like a broken disk."""
    chain = _chain(journal)
    first = _sign(journal, chain, 5)
    commit(journal, lambda writing: writing.set_transaction_state(first, TransactionState.GIVEN_UP))
    second = _sign(journal, chain, 5)
    with journal.reading() as reading:
        (live,) = reading.live_transactions(chain)
    assert (live.row, live.attempts) == (second, (attempt(1),))


def test_live_transactions_come_back_with_every_signature(journal: Journal) -> None:
    chain = _chain(journal)
    first, second = _sign(journal, chain, 5), _sign(journal, chain, 6, 2)
    commit(journal, lambda writing: writing.add_attempt(first, attempt(3)))
    commit(journal, lambda writing: writing.set_transaction_state(second, TransactionState.SETTLED))
    with journal.reading() as reading:
        (live,) = reading.live_transactions(chain)
    assert live.row == first
    assert live.attempts == (attempt(1), attempt(3))
    assert (live.purpose, live.nonce, live.state) == (Purpose.DELIVER, 5, TransactionState.OPEN)


def test_an_included_transaction_can_be_opened_again(journal: Journal) -> None:
    chain = _chain(journal)
    row = _sign(journal, chain, 5)
    _include(journal, row)
    with journal.reading() as reading:
        (found,) = reading.transactions([row])
        assert gas_totals(reading) == (1_000, 1_000)
        assert reading.spent_wei(chain, NOW) == 10**30
        assert reading.spent_wei(chain, Micros(NOW + 26 * 3_600 * 10**6)) == 0
    assert (found.state, found.succeeded, found.fee_wei) == (TransactionState.INCLUDED, False, 10**30)
    commit(journal, lambda writing: writing.reopen_transaction(row, 500_000 * 3 * 10**9))
    with journal.reading() as reading:
        (found,) = reading.transactions([row])
        assert gas_totals(reading) == (0, 0)
        # An open one counts with the most that it can cost.
        assert reading.spent_wei(chain, NOW) == 500_000 * 3 * 10**9
    assert (found.state, found.succeeded, found.included_hash) == (TransactionState.OPEN, None, None)


def test_what_is_settled_stays_so_whatever_a_look_for_receipts_writes_later(journal: Journal) -> None:
    """The chain's task settles while a slow look has yet to write: the nonce may be another one's by then."""
    chain = _chain(journal)
    row = _sign(journal, chain, 5)
    commit(journal, lambda writing: writing.set_transaction_state(row, TransactionState.SETTLED))
    _include(journal, row)
    with journal.reading() as reading:
        (found,) = reading.transactions([row])
        assert reading.spent_wei(chain, NOW) == 10**30
    assert (found.state, found.fee_wei) == (TransactionState.SETTLED, 10**30)
    second = _sign(journal, chain, 5, 2)
    commit(journal, lambda writing: writing.reopen_transaction(row, 10**18))
    with journal.reading() as reading:
        assert [live.row for live in reading.live_transactions(chain)] == [second]


def test_batches_are_found_by_their_transaction(journal: Journal) -> None:
    row = add_lane(journal)
    chain = _chain(journal)
    transaction = _sign(journal, chain, 5)
    batch = StoredBatch(BatchRow(0), row, 0, 3, 9, 0b1001001000, 77, transaction)
    number = commit(journal, lambda writing: writing.add_batch(batch))
    with journal.reading() as reading:
        assert reading.batches_of([transaction]) == (batch.numbered(number),)
        assert reading.batches([number]) == (batch.numbered(number),)


def test_a_chain_that_was_reset_is_another_chain(journal: Journal) -> None:
    first = _chain(journal)
    renamed = commit(journal, lambda writing: writing.put_chain(A, "assize", scanned_height=50, at=NOW))
    other = commit(journal, lambda writing: writing.put_chain(b"c" * 32, "court", scanned_height=0, at=NOW))
    assert renamed == first
    assert other != first
    with journal.reading() as reading:
        assert [(chain.name, chain.scanned_height) for chain in reading.chains()] == [
            ("assize", 0),
            ("court", 0),
        ]


def test_cursors_only_touch_their_own_row(journal: Journal) -> None:
    row = add_lane(journal)
    commit(journal, lambda writing: writing.move_lane(row, proven=3, proven_head=b"p" * 32, proven_block=8))
    commit(journal, lambda writing: writing.settle_lane(row, 2))
    with journal.reading() as reading:
        (lane,) = reading.lanes()
        court, port = reading.chains()
    assert (lane.proven, lane.proven_head, lane.proven_block, lane.settled) == (3, b"p" * 32, 8, 2)
    assert (court.scanned_height, port.scanned_height) == (9, 0)
    commit(
        journal,
        lambda writing: writing.move_chain(
            court.row,
            verified_height=12,
            verified_timestamp=99,
            scanned_height=11,
            trusted_state=b"state",
            at=NOW,
        ),
    )
    with journal.reading() as reading:
        court, port = reading.chains()
    assert (court.verified_height, court.verified_timestamp, court.scanned_height) == (12, 99, 11)
    assert (court.trusted_state, port.trusted_state) == (b"state", None)
