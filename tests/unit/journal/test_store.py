# SPDX-License-Identifier: MIT
"""Opening, locking, writing in groups, and what is on disk afterwards."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
import threading
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import make_url

from relayer.errors import ConfigError, NonceConflict
from relayer.journal.errors import JournalBroken, JournalClosed, JournalLocked, JournalUnreadable
from relayer.journal.rows import (
    BatchRow,
    ChainRow,
    Micros,
    Purpose,
    StoredBatch,
    TransactionRow,
    TransactionState,
    Transition,
)
from relayer.journal.store import Journal
from relayer.journal.writing import _MESSAGES, _TRANSITIONS, Writing
from relayer.protocol.delivery import DeliveryState
from tests.unit.journal.samples import NOW, A, add_lane, attempt, messages, step


def test_what_is_committed_is_there_after_the_process_is_gone(tmp_path: Path) -> None:
    """INV-6: a commit that returned survives SIGKILL."""
    url = f"sqlite:///{tmp_path}/journal.db"
    process = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(url,))
    process.start()
    process.join(60)
    assert process.exitcode == -9
    with Journal.open(url) as journal, journal.reading() as reading:
        assert [chain.name for chain in reading.chains()] == ["court"]


def _write_and_die(url: str) -> None:
    journal = Journal.open(url)
    journal.commit_now(lambda writing: writing.put_chain(A, "court", scanned_height=0, at=NOW))
    os.kill(os.getpid(), 9)


def test_one_daemon_a_journal(url: str, journal: Journal) -> None:
    with pytest.raises(JournalLocked, match="another daemon"):
        Journal.open(url)
    with Journal.open(url, read_only=True) as reader, reader.reading() as reading:
        assert reading.chains() == ()


def test_a_reader_can_not_write(url: str, journal: Journal) -> None:
    with Journal.open(url, read_only=True) as reader, pytest.raises(JournalUnreadable):
        reader.commit_now(lambda writing: writing.put_chain(A, "court", scanned_height=0, at=NOW))


def test_a_closed_journal_takes_nothing(url: str) -> None:
    journal = Journal.open(url)
    journal.close()
    journal.close()
    with pytest.raises(JournalClosed):
        journal.commit_now(lambda writing: writing.put_chain(A, "court", scanned_height=0, at=NOW))
    journal.post(lambda writing: writing.put_chain(A, "court", scanned_height=0, at=NOW))
    assert journal.failure is None


def test_the_lock_is_free_again_after_closing(url: str) -> None:
    Journal.open(url).close()
    Journal.open(url).close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "nonsense", "nosuch://x/y"])
def test_a_journal_that_keeps_no_promise_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        Journal.open(url)


def test_an_absent_folder_and_an_absent_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        Journal.open(f"sqlite:///{tmp_path}/nowhere/journal.db")
    with pytest.raises(JournalUnreadable, match="no file"):
        Journal.open(f"sqlite:///{tmp_path}/journal.db", read_only=True)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    connection.close()
    with pytest.raises(JournalUnreadable, match="invoices"):
        Journal.open(f"sqlite:///{path}")


def test_sqlite_survives_power_cuts(journal: Journal) -> None:
    """INV-6: WAL with synchronous=FULL syncs the log at every commit."""
    if journal._engine.dialect.name != "sqlite":
        pytest.skip("SQLite's own settings")
    with journal._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2


def _add(writing: Writing, steps: list[Transition]) -> None:
    writing.add_transitions(steps)


async def test_work_that_waits_together_is_committed_together(journal: Journal) -> None:
    row = add_lane(journal)
    before = journal.commits
    gate = threading.Event()
    holder = asyncio.create_task(journal.commit(lambda _: gate.wait(10)))
    await asyncio.sleep(0.05)
    steps = [[step(row, i, i, DeliveryState.OBSERVED)] for i in range(50)]
    works = [asyncio.create_task(journal.commit(partial(_add, steps=each))) for each in steps]
    await asyncio.sleep(0.05)
    gate.set()
    await asyncio.gather(holder, *works)
    assert journal.commits == before + 2
    with journal.reading() as reading:
        assert len(reading.transitions(row, 0, 0)) == 50


async def test_one_bad_piece_of_work_spoils_no_other(journal: Journal) -> None:
    row = add_lane(journal)
    gate = threading.Event()
    holder = asyncio.create_task(journal.commit(lambda _: gate.wait(10)))
    await asyncio.sleep(0.05)

    def bad(writing: Writing) -> None:
        writing.add_transitions([step(row, 7, 7, DeliveryState.OBSERVED)])
        raise ZeroDivisionError

    good = asyncio.create_task(
        journal.commit(lambda writing: writing.add_transitions([step(row, 1, 1, DeliveryState.OBSERVED)]))
    )
    spoiled = asyncio.create_task(journal.commit(bad))
    await asyncio.sleep(0.05)
    gate.set()
    await holder
    await good
    with pytest.raises(ZeroDivisionError):
        await spoiled
    with journal.reading() as reading:
        assert [each.first for each in reading.transitions(row, 0, 0)] == [1]


async def test_a_full_disk_is_told_as_such(journal: Journal) -> None:
    if journal._engine.dialect.name != "sqlite":
        pytest.skip("SQLite's own limit")
    row = add_lane(journal)
    journal.commit_now(lambda writing: writing._connection.exec_driver_sql("PRAGMA max_page_count=64"))
    stored = messages(row, 5_000)
    with pytest.raises(JournalBroken, match="refused to write"):
        await journal.commit(lambda writing: writing.put_messages(stored))


def test_posted_work_that_fails_is_remembered(journal: Journal) -> None:
    def bad(_: Writing) -> None:
        raise ZeroDivisionError

    journal.post(bad)
    journal.commit_now(lambda _: None)
    assert isinstance(journal.failure, ZeroDivisionError)


# --- transactions ---


def _chain(journal: Journal) -> ChainRow:
    return journal.commit_now(lambda writing: writing.put_chain(A, "court", scanned_height=0, at=NOW))


def _sign(journal: Journal, chain: ChainRow, nonce: int, number: int = 1) -> TransactionRow:
    return journal.commit_now(
        lambda writing: writing.add_transaction(chain, Purpose.DELIVER, b"k" * 20, nonce, attempt(number))
    )


def test_a_nonce_is_never_signed_twice_while_it_may_land(journal: Journal) -> None:
    """INV-6: the journal refuses what the nonce manager should never ask for."""
    chain = _chain(journal)
    first = _sign(journal, chain, 5)
    with pytest.raises(NonceConflict, match="nonce 5"):
        _sign(journal, chain, 5, 2)
    journal.commit_now(lambda writing: writing.set_transaction_state(first, TransactionState.DISPLACED))
    assert _sign(journal, chain, 5, 2) != first


def test_live_transactions_come_back_with_every_signature(journal: Journal) -> None:
    chain = _chain(journal)
    first, second = _sign(journal, chain, 5), _sign(journal, chain, 6, 2)
    journal.commit_now(lambda writing: writing.add_attempt(first, attempt(3)))
    journal.commit_now(lambda writing: writing.set_transaction_state(second, TransactionState.SETTLED))
    with journal.reading() as reading:
        (live,) = reading.live_transactions(chain)
    assert live.row == first
    assert live.attempts == (attempt(1), attempt(3))
    assert (live.purpose, live.nonce, live.state) == (Purpose.DELIVER, 5, TransactionState.OPEN)


def test_an_included_transaction_can_be_opened_again(journal: Journal) -> None:
    chain = _chain(journal)
    row = _sign(journal, chain, 5)
    journal.commit_now(
        lambda writing: writing.include_transaction(
            row,
            included_hash=b"i" * 32,
            block_number=7,
            block_hash=b"b" * 32,
            succeeded=False,
            gas_used=1_000,
            fee_wei=10**30,
            wasted_gas=1_000,
        )
    )
    with journal.reading() as reading:
        (found,) = reading.transactions([row])
        assert reading.gas_totals() == (1_000, 1_000)
        assert reading.spent_wei(chain, NOW) == 10**30
        assert reading.spent_wei(chain, Micros(NOW + 1)) == 0
    assert (found.state, found.succeeded, found.fee_wei) == (TransactionState.INCLUDED, False, 10**30)
    journal.commit_now(lambda writing: writing.set_transaction_state(row, TransactionState.OPEN))
    with journal.reading() as reading:
        (found,) = reading.transactions([row])
        assert reading.gas_totals() == (0, 0)
        # An open one counts with the most that it can cost.
        assert reading.spent_wei(chain, NOW) == 500_000 * 3 * 10**9
    assert (found.state, found.succeeded, found.included_hash) == (TransactionState.OPEN, None, None)


def test_batches_are_found_by_their_transaction(journal: Journal) -> None:
    row = add_lane(journal)
    chain = _chain(journal)
    transaction = _sign(journal, chain, 5)
    batch = StoredBatch(BatchRow(0), row, 0, 3, 9, 0b1001001000, 77, transaction)
    number = journal.commit_now(lambda writing: writing.add_batch(batch))
    with journal.reading() as reading:
        assert reading.batches_of([transaction]) == (batch.numbered(number),)
        assert reading.batches([number]) == (batch.numbered(number),)


def test_a_chain_that_was_reset_is_another_chain(journal: Journal) -> None:
    first = _chain(journal)
    renamed = journal.commit_now(lambda writing: writing.put_chain(A, "assize", scanned_height=50, at=NOW))
    other = journal.commit_now(
        lambda writing: writing.put_chain(b"c" * 32, "court", scanned_height=0, at=NOW)
    )
    assert renamed == first
    assert other != first
    with journal.reading() as reading:
        assert [(each.name, each.scanned_height) for each in reading.chains()] == [
            ("assize", 0),
            ("court", 0),
        ]


def test_the_bulk_statements_are_plain_sql_in_both_dialects() -> None:
    for name in ("sqlite", "postgresql"):
        dialect = make_url(f"{name}://").get_dialect()()
        text = _MESSAGES.sql(dialect)
        assert "ON CONFLICT (lane, sequence) DO UPDATE SET leaf" in text
        assert "INSERT INTO transitions (lane, page" in _TRANSITIONS.sql(dialect)


def test_cursors_only_touch_their_own_row(journal: Journal) -> None:
    row = add_lane(journal)
    journal.commit_now(
        lambda writing: writing.move_lane(row, proven=3, proven_head=b"p" * 32, proven_block=8)
    )
    journal.commit_now(lambda writing: writing.settle_lane(row, 2))
    with journal.reading() as reading:
        (lane,) = reading.lanes()
        court, port = reading.chains()
    assert (lane.proven, lane.proven_head, lane.proven_block, lane.settled) == (3, b"p" * 32, 8, 2)
    assert (court.scanned_height, port.scanned_height) == (9, 0)
    journal.commit_now(
        lambda writing: writing.move_chain(
            court.row,
            verified_height=12,
            verified_timestamp=99,
            scanned_height=11,
            trusted_state=b"state",
            at=NOW,
        )
    )
    with journal.reading() as reading:
        court, port = reading.chains()
    assert (court.verified_height, court.verified_timestamp, court.scanned_height) == (12, 99, 11)
    assert (court.trusted_state, port.trusted_state) == (b"state", None)
