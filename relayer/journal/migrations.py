# SPDX-License-Identifier: MIT
"""Forward migrations. A new journal gets the newest tables at once; an old one takes the steps that it lacks.

A step is a function of a connection. It is never changed once released, and it states its own SQL, because
`schema.py` moves on. All steps and the version that they lead to are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, func, insert, inspect, select, text

from relayer.journal.errors import JournalUnreadable
from relayer.journal.schema import metadata, schema_version

Step = Callable[[Connection], None]


def _count_spending(connection: Connection) -> None:
    """Version 2: spending is counted by hours; transactions know cancellations, reasons and wishes."""
    for statement in (
        "ALTER TABLE transactions ADD COLUMN reserved_wei VARCHAR(78)",
        "ALTER TABLE transactions ADD COLUMN reason VARCHAR(32)",
        "ALTER TABLE transactions ADD COLUMN reason_detail TEXT",
        # A database without its lock could have two writers, and then one nonce twice: the later one counts.
        (
            "UPDATE transactions SET state = 'given up' WHERE state IN ('open', 'included') AND id NOT IN "
            "(SELECT max(id) FROM transactions WHERE state IN ('open', 'included') "
            "GROUP BY chain, sender, nonce)"
        ),
        (
            "CREATE UNIQUE INDEX transactions_by_nonce ON transactions (chain, sender, nonce) "
            "WHERE state IN ('open', 'included')"
        ),
        (
            "CREATE TABLE spending (chain BIGINT NOT NULL REFERENCES chains (id), hour BIGINT NOT NULL, "
            "wei VARCHAR(78) NOT NULL, PRIMARY KEY (chain, hour))"
        ),
    ):
        connection.execute(text(statement))
    _rebuild_attempts(connection)
    number = "INTEGER" if connection.dialect.name == "sqlite" else "BIGSERIAL"
    connection.execute(
        text(
            f'CREATE TABLE wishes (id {number} PRIMARY KEY, "transaction" BIGINT NOT NULL '
            "REFERENCES transactions (id), wish VARCHAR(16) NOT NULL, at BIGINT NOT NULL)"
        )
    )
    costs: dict[tuple[int, int], int] = {}
    rows = connection.execute(
        text(
            "SELECT t.id, t.chain, t.signed_at, t.state, t.fee_wei, a.gas, a.max_fee_wei FROM transactions t "
            'JOIN attempts a ON a."transaction" = t.id WHERE t.signed_at >= :since'
        ),
        {"since": _newest_signature(connection) - _DAY_US},
    )
    reserved: dict[int, tuple[int, int, int]] = {}
    for row in rows:
        open_cost = row.gas * int(row.max_fee_wei) if row.state == "open" else 0
        cost = open_cost if row.fee_wei is None else int(row.fee_wei)
        known = reserved.get(row.id, (row.chain, row.signed_at // _HOUR_US, 0))
        reserved[row.id] = (*known[:2], max(known[2], cost))
    for transaction, (chain, hour, cost) in reserved.items():
        costs[chain, hour] = costs.get((chain, hour), 0) + cost
        connection.execute(
            text("UPDATE transactions SET reserved_wei = :wei WHERE id = :id"),
            {"wei": str(cost), "id": transaction},
        )
    for (chain, hour), cost in costs.items():
        connection.execute(
            text("INSERT INTO spending (chain, hour, wei) VALUES (:chain, :hour, :wei)"),
            {"chain": chain, "hour": hour, "wei": str(cost)},
        )


def _rebuild_attempts(connection: Connection) -> None:
    """Let what was given up be signed again with the same bytes, and tell cancellations."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("ALTER TABLE attempts DROP CONSTRAINT attempts_tx_hash_key"))
        connection.execute(
            text("ALTER TABLE attempts ADD COLUMN is_cancellation SMALLINT NOT NULL DEFAULT 0")
        )
        return
    # SQLite drops no constraint, so the table is made anew.
    for statement in (
        (
            'CREATE TABLE attempts_2 (id INTEGER NOT NULL PRIMARY KEY, "transaction" INTEGER NOT NULL '
            "REFERENCES transactions (id), tx_hash BLOB NOT NULL, raw BLOB NOT NULL, gas BIGINT NOT NULL, "
            "max_fee_wei VARCHAR(78) NOT NULL, priority_fee_wei VARCHAR(78) NOT NULL, at BIGINT NOT NULL, "
            "is_cancellation SMALLINT NOT NULL DEFAULT 0)"
        ),
        (
            'INSERT INTO attempts_2 SELECT id, "transaction", tx_hash, raw, gas, max_fee_wei, '
            "priority_fee_wei, at, 0 FROM attempts"
        ),
        "DROP TABLE attempts",
        "ALTER TABLE attempts_2 RENAME TO attempts",
        'CREATE INDEX attempts_by_transaction ON attempts ("transaction")',
    ):
        connection.execute(text(statement))


def _newest_signature(connection: Connection) -> int:
    return connection.execute(text("SELECT max(signed_at) FROM transactions")).scalar_one() or 0


def _index_messages(connection: Connection) -> None:
    """Version 3: messages are found by transaction, account, lane and the time of their first step."""
    for statement in (
        "ALTER TABLE messages ADD COLUMN observed_at BIGINT NOT NULL DEFAULT 0",
        (
            "UPDATE messages SET observed_at = COALESCE((SELECT min(t.at) FROM transitions t "
            "WHERE t.lane = messages.lane AND t.page = messages.sequence / 256 "
            'AND messages.sequence BETWEEN t."first" AND t."last"), 0)'
        ),
        "CREATE INDEX messages_by_transaction ON messages (tx_hash)",
        "CREATE INDEX messages_by_time ON messages (observed_at, lane, sequence)",
        "CREATE INDEX messages_by_lane ON messages (lane, observed_at, sequence)",
        "CREATE INDEX messages_by_sender ON messages (sender, observed_at, lane, sequence)",
        "CREATE INDEX messages_by_recipient ON messages (recipient, observed_at, lane, sequence)",
        "CREATE INDEX attempts_by_hash ON attempts (tx_hash)",
    ):
        connection.execute(text(statement))


_HOUR_US: Final = 3_600_000_000
_DAY_US: Final = 24 * _HOUR_US

#: The step that leads to a version from the version before, by that version. Version 1 is the first journal.
STEPS: Final[Mapping[int, Step]] = MappingProxyType({2: _count_spending, 3: _index_messages})

VERSION: Final = max(STEPS, default=1)


def migrate(
    connection: Connection, now: int, *, steps: Mapping[int, Step] = STEPS, version: int = VERSION
) -> tuple[int, ...]:
    """Bring a journal to `version`, and return the versions that it went through: none when it was there.

    Raises:
        JournalUnreadable: the database is another program's, or a newer Postroad's journal.
    """
    found = read_version(connection)
    if found is None:
        metadata.create_all(connection)
        connection.execute(insert(schema_version).values(version=version, applied_at=now))
        return (version,)
    check_version(found, version)
    taken = tuple(range(found + 1, version + 1))
    for step in taken:
        steps[step](connection)
        connection.execute(insert(schema_version).values(version=step, applied_at=now))
    return taken


def read_version(connection: Connection) -> int | None:
    """Return the version of a journal, None for an empty database.

    Raises:
        JournalUnreadable: the database holds another program's tables.
    """
    names = set(inspect(connection).get_table_names())
    if not names:
        return None
    if schema_version.name not in names:
        raise JournalUnreadable(
            f"a database with the tables {', '.join(sorted(names)[:5])}",
            "an empty database or a journal",
            "Set journal.url to a file or database of its own",
        )
    found: int | None = connection.execute(select(func.max(schema_version.c.version))).scalar_one()
    return found


def check_version(found: int, newest: int) -> None:
    """Raise JournalUnreadable when a newer Postroad wrote the journal."""
    if found > newest:
        raise JournalUnreadable(
            f"a journal of version {found}",
            f"at most {newest}",
            "A newer Postroad wrote it: run that one, or restore the copy made before the upgrade",
        )
