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


def test_a_journal_of_version_2_keeps_its_signatures_and_takes_one_twice(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection, 1, steps={}, version=2)
        # As version 2 had it.
        connection.execute(text("DROP TABLE attempts"))
        number = "INTEGER" if connection.dialect.name == "sqlite" else "BIGSERIAL"
        binary = "BLOB" if connection.dialect.name == "sqlite" else "BYTEA"
        connection.execute(
            text(
                f'CREATE TABLE attempts (id {number} NOT NULL PRIMARY KEY, "transaction" INTEGER NOT NULL '
                f"REFERENCES transactions (id), tx_hash {binary} NOT NULL, raw {binary} NOT NULL, "
                "gas BIGINT NOT NULL, max_fee_wei VARCHAR(78) NOT NULL, priority_fee_wei VARCHAR(78) NOT "
                "NULL, at BIGINT NOT NULL, is_cancellation SMALLINT NOT NULL DEFAULT 0, UNIQUE (tx_hash))"
            )
        )
        connection.execute(text('CREATE INDEX attempts_by_transaction ON attempts ("transaction")'))
        connection.execute(
            text(
                "INSERT INTO chains (id, endpoint_id, name, verified_height, verified_timestamp, "
                "scanned_height, updated_at) VALUES (1, :hash, 'court', 0, 0, 0, 0)"
            ),
            {"hash": b"e" * 32},
        )
        connection.execute(
            text(
                "INSERT INTO transactions (id, chain, purpose, sender, nonce, state, signed_at) "
                "VALUES (1, 1, 'deliver', :sender, 5, 'given up', 9)"
            ),
            {"sender": b"k" * 20},
        )
        connection.execute(text(_ATTEMPT), {"hash": b"h" * 32})
    with engine.begin() as connection:
        assert migrate(connection, 2) == (3,)
        connection.execute(text(_ATTEMPT), {"hash": b"h" * 32})
        rows = connection.execute(text("SELECT tx_hash, gas, is_cancellation FROM attempts ORDER BY id"))
        assert [tuple(row) for row in rows] == [(b"h" * 32, 7, 0)] * 2


_ATTEMPT = (
    'INSERT INTO attempts ("transaction", tx_hash, raw, gas, max_fee_wei, priority_fee_wei, at) '
    "VALUES (1, :hash, :hash, 7, '3', '1', 9)"
)
