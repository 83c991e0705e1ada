# SPDX-License-Identifier: MIT
"""Forward migrations. A new journal gets the newest tables at once; an old one takes the steps that it lacks.

A step is a function of a connection. It is never changed once released, and it states its own SQL, because
`schema.py` moves on. All steps and the version that they lead to are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, func, insert, inspect, select

from relayer.journal.errors import JournalUnreadable
from relayer.journal.schema import metadata, schema_version

Step = Callable[[Connection], None]

#: The step that leads to a version from the version before, by that version. Version 1 is the first journal.
STEPS: Final[Mapping[int, Step]] = MappingProxyType({})

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
