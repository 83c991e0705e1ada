# SPDX-License-Identifier: MIT
"""What tests ask of a journal that the product does not: a commit that blocks, and the gas of all
transactions.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from relayer.journal.reading import Reading
from relayer.journal.rows import TransactionRow
from relayer.journal.store import Journal
from relayer.journal.writing import Writing

T = TypeVar("T")

_ROWS_AT_ONCE = 500


def commit(journal: Journal, work: Callable[[Writing], T]) -> T:
    """`Journal.commit` for a caller that blocks, with or without an event loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, journal.commit(work)).result()


def gas_totals(reading: Reading) -> tuple[int, int]:
    """Gas used by all included transactions, and the part that moved nothing (reverted or too late)."""
    used = wasted = 0
    for start in itertools.count(1, _ROWS_AT_ONCE):
        found = reading.transactions(TransactionRow(row) for row in range(start, start + _ROWS_AT_ONCE))
        if not found:
            return used, wasted
        used += sum(transaction.gas_used or 0 for transaction in found)
        wasted += sum(transaction.wasted_gas or 0 for transaction in found)
    raise AssertionError
