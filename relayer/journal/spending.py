# SPDX-License-Identifier: MIT
"""What was spent on a chain, by hours, so that a limit for 24 hours needs no look at single transactions.

A transaction counts in the hour in which it was signed, with the most that it can cost until its receipt
tells what it did cost. The 24 hours before a moment are taken from the start of the hour that holds their
beginning: up to an hour too much, never too little.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select

from relayer.journal import schema
from relayer.journal.rows import MICROS_PER_S, ChainRow, Micros

_HOUR: Final = 3_600 * MICROS_PER_S
_HOURS: Final = 24


def hour_of(at: Micros) -> int:
    """Return the hour that a time lies in, counted from 1970."""
    return at // _HOUR


def sum_spending(connection: Connection, chain: ChainRow, now: Micros) -> int:
    """Return in wei what the transactions signed in the 24 hours before `now`, or later, cost or can cost."""
    table = schema.spending
    # Later hours count too: a clock that was set back must not free what was spent.
    rows = connection.execute(
        select(table.c.wei).where(table.c.chain == chain, table.c.hour >= hour_of(now) - _HOURS)
    )
    return sum(int(wei) for wei in rows.scalars())
