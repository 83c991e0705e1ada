# SPDX-License-Identifier: MIT
"""A backup is whole, can be restored, and is never half there."""

from __future__ import annotations

import functools
import runpy
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from tests.support.journal import commit
from tests.unit.journal.samples import NOW, A

SCRIPT = Path(__file__).parents[3] / "deploy" / "backup" / "backup.py"


@pytest.fixture(name="back_up")
def _back_up() -> Callable[..., Path]:
    functions: dict[str, Any] = runpy.run_path(str(SCRIPT))
    return functions["back_up"]  # type: ignore[no-any-return]


def put_height(height: int, writing: Writing) -> None:
    writing.put_chain(A, "court", scanned_height=height, at=NOW)


def test_a_backup_that_is_made_beside_a_busy_daemon_is_restored(
    tmp_path: Path, back_up: Callable[..., Path]
) -> None:
    done = threading.Event()
    with Journal.open(f"sqlite:///{tmp_path}/postroad.db") as journal:

        def work() -> None:
            for height in range(100_000):
                commit(journal, functools.partial(put_height, height))
                if done.is_set():
                    return

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.1)
        try:
            backup = back_up(tmp_path / "postroad.db", tmp_path, 3)
        finally:
            done.set()
            thread.join()
    restored = tmp_path / "restored.db"
    backup.rename(restored)
    with Journal.open(f"sqlite:///{restored}") as journal, journal.reading() as reading:
        assert [chain.name for chain in reading.chains()] == ["court"]


def test_the_newest_stay(tmp_path: Path, back_up: Callable[..., Path]) -> None:
    Journal.open(f"sqlite:///{tmp_path}/postroad.db").close()
    for day in range(1, 5):
        (tmp_path / f"postroad-2026010{day}T000000Z.db").touch()
    newest = back_up(tmp_path / "postroad.db", tmp_path, 2)
    assert sorted(tmp_path.glob("postroad-*")) == [tmp_path / "postroad-20260104T000000Z.db", newest]
    assert newest.stat().st_mode & 0o777 == 0o600


def test_what_is_no_journal_is_told_and_leaves_nothing(tmp_path: Path, back_up: Callable[..., Path]) -> None:
    with pytest.raises(sqlite3.OperationalError):
        back_up(tmp_path / "absent.db", tmp_path, 2)
    (tmp_path / "text.db").write_text("no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        back_up(tmp_path / "text.db", tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["text.db"]
