# SPDX-License-Identifier: MIT
"""Opening, locking and closing a journal, and what is on disk afterwards."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import make_url

from relayer.errors import ConfigError
from relayer.journal.errors import JournalClosed, JournalLocked, JournalUnreadable
from relayer.journal.rows import ChainRow, Purpose, TransactionRow, Wish
from relayer.journal.store import Journal, make_engine
from relayer.journal.writing import Writing
from tests.support.journal import commit
from tests.unit.journal.samples import NOW, A, B, attempt


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
    commit(journal, lambda writing: writing.put_chain(A, "court", scanned_height=0, at=NOW))
    os.kill(os.getpid(), 9)


def test_one_daemon_a_journal(url: str, journal: Journal) -> None:
    with pytest.raises(JournalLocked, match="another daemon"):
        Journal.open(url)
    with Journal.open(url, read_only=True) as reader, reader.reading() as reading:
        assert reading.chains() == ()


def test_a_reader_can_not_write(url: str, journal: Journal) -> None:
    with Journal.open(url, read_only=True) as reader, pytest.raises(JournalUnreadable):
        commit(reader, lambda writing: writing.put_chain(A, "court", scanned_height=0, at=NOW))


def _add_transaction(journal: Journal) -> tuple[ChainRow, TransactionRow]:
    def write(writing: Writing) -> tuple[ChainRow, TransactionRow]:
        chain = writing.put_chain(A, "court", scanned_height=0, at=NOW)
        return chain, writing.add_transaction(chain, Purpose.DELIVER, b"k" * 20, 0, attempt())

    return commit(journal, write)


def test_a_wish_is_written_beside_the_daemon(url: str, journal: Journal) -> None:
    chain, row = _add_transaction(journal)
    Journal.request(url, row, Wish.CANCEL)
    with journal.reading() as reading:
        assert reading.has_wishes(chain)
        assert reading.wish_of(row) is Wish.CANCEL
    assert commit(journal, lambda writing: writing.take_wishes(chain)) == ((row, Wish.CANCEL),)
    with journal.reading() as reading:
        assert reading.wish_of(row) is None


def test_a_wish_never_breaks_what_the_daemon_writes(url: str, journal: Journal) -> None:
    """SQLite refuses a transaction that has read before another process wrote: the daemon would end."""
    _, row = _add_transaction(journal)
    asked = threading.Thread(target=Journal.request, args=(url, row, Wish.REPLACE))

    def read_then_write(writing: Writing) -> None:
        writing.put_chain(A, "court", scanned_height=0, at=NOW)
        asked.start()
        time.sleep(0.3)
        writing.put_chain(B, "port", scanned_height=0, at=NOW)

    commit(journal, read_then_write)
    asked.join()
    with journal.reading() as reading:
        assert [chain.name for chain in reading.chains()] == ["court", "port"]
        assert reading.wish_of(row) is Wish.REPLACE


def test_a_wish_needs_a_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalUnreadable, match="no file"):
        Journal.request(f"sqlite:///{tmp_path}/none.db", TransactionRow(1), Wish.CANCEL)


def test_a_closed_journal_takes_nothing(url: str) -> None:
    journal = Journal.open(url)
    journal.close()
    journal.close()
    with pytest.raises(JournalClosed):
        commit(journal, lambda writing: writing.put_chain(A, "court", scanned_height=0, at=NOW))
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


def test_a_lock_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    # A folder in its place refuses even root, as a read-only file system does.
    (tmp_path / "journal.db.lock").mkdir()
    with pytest.raises(JournalUnreadable, match=r"journal\.db\.lock can't be written: "):
        Journal.open(f"sqlite:///{tmp_path}/journal.db")
    with pytest.raises(JournalUnreadable, match="can't be written"):
        Journal.open("sqlite:////proc/journal.db")


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    connection.close()
    with pytest.raises(JournalUnreadable, match="invoices"):
        Journal.open(f"sqlite:///{path}")


def test_sqlite_survives_power_cuts(tmp_path: Path) -> None:
    """INV-6: WAL with synchronous=FULL syncs the log at every commit."""
    engine = make_engine(make_url(f"sqlite:///{tmp_path}/journal.db"), read_only=False)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
    engine.dispose()


def test_the_room_beside_the_journal_is_told(tmp_path: Path) -> None:
    with Journal.open(f"sqlite:///{tmp_path}/journal.db") as journal:
        room = journal.free_bytes()
        assert room is not None
        assert 0 < room <= shutil.disk_usage(tmp_path).total
