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
from relayer.journal.reading import Reading
from relayer.journal.rows import ChainRow, Micros
from relayer.journal.spending import sum_spending


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


_INDEXES = ("transaction", "time", "lane", "sender", "recipient")
#: Turns the newest tables into those of version 2.
_WITHOUT_SEARCH = (
    *(f"DROP INDEX messages_by_{name}" for name in _INDEXES),
    "DROP INDEX attempts_by_hash",
    "ALTER TABLE messages DROP COLUMN observed_at",
)


def test_messages_of_version_2_have_the_time_of_their_first_step(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection, 1)
        for statement in (
            *_WITHOUT_SEARCH,
            "DELETE FROM schema_version",
            "INSERT INTO schema_version VALUES (2, 1)",
        ):
            connection.execute(text(statement))
        values = {"hash": b"e" * 32}
        for statement in (
            "INSERT INTO chains VALUES (1, :hash, 'court', NULL, 0, 0, 0, 0)",
            "INSERT INTO lanes VALUES (1, :hash, 1, 1, :hash, 0, 0, :hash, 0, 0, NULL, NULL, NULL)",
            *(
                f"INSERT INTO messages VALUES (1, {sequence}, :hash, :hash, :hash, :hash, '0', '0', '0', :hash, "
                "7, :hash, :hash, 0)"
                for sequence in (255, 256, 900)
            ),
            *(
                f"INSERT INTO transitions VALUES ({row}, 1, {page}, {first}, {last}, NULL, 'observed', {at}, "
                "NULL, NULL)"
                for row, page, first, last, at in (
                    (1, 0, 0, 255, 50),
                    (2, 1, 256, 300, 70),
                    (3, 1, 256, 256, 80),
                )
            ),
        ):
            connection.execute(text(statement), values if ":hash" in statement else {})
    with engine.begin() as connection:
        assert migrate(connection, 2) == (3,)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT sequence, observed_at FROM messages ORDER BY sequence")).all()
        assert [tuple(row) for row in rows] == [(255, 50), (256, 70), (900, 0)]
        names = {index["name"] for index in inspect(connection).get_indexes("messages")}
        assert names == {"messages_by_leaf", *(f"messages_by_{name}" for name in _INDEXES)}


def test_a_journal_of_version_1_counts_what_was_spent(engine: Engine) -> None:
    """Transactions of the last day keep counting, open ones with the dearest of their signatures."""
    day_us = 24 * 3_600_000_000
    now = 100 * day_us
    is_sqlite = engine.dialect.name == "sqlite"
    serial, binary = ("INTEGER", "BLOB") if is_sqlite else ("BIGSERIAL", "BYTEA")
    with engine.begin() as connection:
        migrate(connection, 1)
        for statement in (
            *_WITHOUT_SEARCH,
            "DROP TABLE wishes",
            "DROP TABLE spending",
            "DROP INDEX transactions_by_nonce",
            "ALTER TABLE transactions DROP COLUMN reserved_wei",
            "ALTER TABLE transactions DROP COLUMN reason",
            "ALTER TABLE transactions DROP COLUMN reason_detail",
            "DROP TABLE attempts",
            (
                f'CREATE TABLE attempts (id {serial} NOT NULL PRIMARY KEY, "transaction" BIGINT NOT NULL '
                f"REFERENCES transactions (id), tx_hash {binary} NOT NULL, raw {binary} NOT NULL, "
                "gas BIGINT NOT NULL, max_fee_wei VARCHAR(78) NOT NULL, priority_fee_wei VARCHAR(78) NOT "
                "NULL, at BIGINT NOT NULL, UNIQUE (tx_hash))"
            ),
            "DELETE FROM schema_version",
            "INSERT INTO schema_version VALUES (1, 1)",
        ):
            connection.execute(text(statement))
        connection.execute(
            text("INSERT INTO chains VALUES (1, :id, 'court', NULL, 0, 0, 0, 0)"), {"id": b"e" * 32}
        )
        for row, state, signed_at, fee in (
            (1, "open", now, None),
            (2, "settled", now - 3_600_000_000, "70"),
            (3, "displaced", now, None),
            (4, "settled", now - 3 * day_us, "9"),
            # Two writers at once signed one nonce twice.
            (5, "included", now - 2 * day_us, "9"),
            (6, "open", now - 2 * day_us, None),
        ):
            connection.execute(
                text(
                    "INSERT INTO transactions (id, chain, purpose, sender, nonce, state, signed_at, fee_wei) "
                    "VALUES (:row, 1, 'deliver', :sender, :nonce, :state, :at, :fee)"
                ),
                {
                    "sender": b"k" * 20,
                    "row": row,
                    "nonce": min(row, 5),
                    "state": state,
                    "at": signed_at,
                    "fee": fee,
                },
            )
            for number, price in enumerate((2, 3)):
                connection.execute(
                    text(
                        'INSERT INTO attempts ("transaction", tx_hash, raw, gas, max_fee_wei, '
                        "priority_fee_wei, at) VALUES (:row, :hash, :hash, 10, :price, '0', 0)"
                    ),
                    {"row": row, "hash": bytes([row, number]), "price": str(price)},
                )
    with engine.begin() as connection:
        assert migrate(connection, 2) == (2, 3)
    with engine.connect() as connection:
        assert sum_spending(connection, ChainRow(1), Micros(now)) == 30 + 70
        kept, last = Reading(connection).live_transactions(ChainRow(1))
        assert (last.row, last.nonce) == (6, 5)
        assert [(attempt.max_fee_wei, attempt.is_cancellation) for attempt in kept.attempts] == [
            (2, False),
            (3, False),
        ]
    with engine.begin() as connection:
        # What was given up may be signed again with the same bytes.
        connection.execute(
            text(
                'INSERT INTO attempts ("transaction", tx_hash, raw, gas, max_fee_wei, priority_fee_wei, at) '
                'SELECT "transaction", tx_hash, raw, gas, max_fee_wei, priority_fee_wei, at FROM attempts'
            )
        )
