# SPDX-License-Identifier: MIT
"""Statements that write many rows: SQLAlchemy compiles them once, and the driver runs them with plain tuples.

Binding one dict per row through SQLAlchemy costs several times what SQLite itself needs. This is the same
statement without that cost. The dialect still writes the SQL, so PostgreSQL gets its own spelling.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect

Row = tuple[Any, ...]


class BulkInsert:
    """INSERT of many rows into some columns of a table.

    Args:
        table: where the rows go.
        columns: the columns that `run` gets values of, in their order.
        replace: a row whose key the table has gets the new values; else the driver raises.
        keep: the columns that a row keeps all the same.
    """

    def __init__(
        self, table: Table, columns: Sequence[str], *, replace: bool = False, keep: Collection[str] = ()
    ) -> None:
        self.table = table
        self.columns = tuple(columns)
        self.replace = replace
        self.keep = frozenset(keep)
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None]] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert rows, which are tuples in the order of `columns`."""
        if not rows:
            return
        text, order = self._for(connection.dialect)
        if order is None:
            connection.exec_driver_sql(text, [dict(zip(self.columns, row, strict=True)) for row in rows])
        elif order == self.columns:
            connection.exec_driver_sql(text, list(rows))
        else:
            places = [self.columns.index(name) for name in order]
            connection.exec_driver_sql(text, [tuple(row[place] for place in places) for row in rows])

    def sql(self, dialect: Dialect) -> str:
        """Return the statement as a dialect spells it."""
        return self._for(dialect)[0]

    def _for(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None]:
        """Return the text, and the columns by position; None where the driver takes names."""
        known = self._compiled.get(dialect.name)
        if known is None:
            compiled = self._statement(dialect.name).compile(dialect=dialect, column_keys=list(self.columns))
            order = tuple(compiled.positiontup) if compiled.positiontup is not None else None
            known = self._compiled[dialect.name] = (str(compiled), order)
        return known

    def _statement(self, dialect: str) -> sqlite.Insert | postgresql.Insert:
        # The two constructs have one interface; only their spelling differs.
        statement = postgresql.insert(self.table) if dialect == "postgresql" else sqlite.insert(self.table)
        if not self.replace:
            return statement
        key = [column.name for column in self.table.primary_key]
        fresh = {name: statement.excluded[name] for name in self.columns if name not in self.keep.union(key)}
        return statement.on_conflict_do_update(index_elements=key, set_=fresh)
