# SPDX-License-Identifier: MIT
"""Writing in groups: what waits together is committed together, and one failure spoils nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from relayer.journal.errors import JournalBroken
from relayer.journal.rows import Transition
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.protocol.delivery import DeliveryState
from tests.support.journal import commit
from tests.unit.journal.samples import NOW, add_lane, messages, step


def _add(writing: Writing, steps: list[Transition]) -> None:
    writing.add_transitions(steps)


async def test_work_that_waits_together_is_committed_together(journal: Journal) -> None:
    row = add_lane(journal)
    before = journal.commits
    gate = threading.Event()
    holder = asyncio.create_task(journal.commit(lambda _: gate.wait(10)))
    await asyncio.sleep(0.05)
    steps = [[step(row, i, i, DeliveryState.OBSERVED)] for i in range(50)]
    works = [asyncio.create_task(journal.commit(partial(_add, steps=piece))) for piece in steps]
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
        assert [step.first for step in reading.transitions(row, 0, 0)] == [1]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """SQLite files that end at 64 pages."""

    def limit(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA max_page_count=64")

    event.listen(Engine, "connect", limit)
    yield
    event.remove(Engine, "connect", limit)


async def test_a_full_disk_is_told_as_such(tmp_path: Path, small_disk: None) -> None:
    with Journal.open(f"sqlite:///{tmp_path}/journal.db") as journal:
        stored = messages(add_lane(journal), 5_000)
        with pytest.raises(JournalBroken, match="refused to write"):
            await journal.commit(lambda writing: writing.put_messages(stored, NOW))


def test_posted_work_that_fails_is_remembered(journal: Journal) -> None:
    def bad(_: Writing) -> None:
        raise ZeroDivisionError

    journal.post(bad)
    commit(journal, lambda _: None)
    assert isinstance(journal.failure, ZeroDivisionError)
