# SPDX-License-Identifier: MIT
"""A journal of an older Postroad is brought up to date, one of a newer is refused, both untouched where that
fails.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from relayer.journal.errors import JournalUnreadable
from relayer.journal.migrations import VERSION, migrate, read_version


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    yield engine
    engine.dispose()


def _add_column(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE chains ADD COLUMN nickname VARCHAR(20)"))


def _fail(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE chains ADD COLUMN doomed VARCHAR(20)"))
    raise ZeroDivisionError


def _columns(engine: Engine) -> set[str]:
    return {column["name"] for column in inspect(engine).get_columns("chains")}


def test_a_new_journal_is_of_the_newest_version(engine: Engine) -> None:
    with engine.begin() as connection:
        assert migrate(connection, 1) == (VERSION,)
        assert read_version(connection) == VERSION
    with engine.begin() as connection:
        assert migrate(connection, 2) == ()


def test_an_old_journal_takes_every_step_that_it_lacks(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection, 1, steps={}, version=1)
    taken: list[int] = []
    steps = {2: _add_column, 3: lambda _: taken.append(3)}
    with engine.begin() as connection:
        assert migrate(connection, 2, steps=steps, version=3) == (2, 3)
        assert read_version(connection) == 3
    assert "nickname" in _columns(engine)
    assert taken == [3]


def test_a_step_that_fails_leaves_the_version_as_it_was(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection, 1, steps={}, version=1)
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        migrate(connection, 2, steps={2: _fail}, version=2)
    with engine.begin() as connection:
        assert read_version(connection) == 1


def test_a_newer_journal_is_refused(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection, 1, steps={}, version=VERSION + 1)
    with engine.begin() as connection, pytest.raises(JournalUnreadable, match="newer Postroad"):
        migrate(connection, 2)
