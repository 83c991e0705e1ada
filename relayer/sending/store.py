# SPDX-License-Identifier: MIT
"""Where signed transactions are kept: in the journal, or in memory where a process answers for one send."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from relayer.chains.base import Address, TxReceipt
from relayer.journal.rows import (
    ChainRow,
    Micros,
    Purpose,
    SignedAttempt,
    StoredBatch,
    TransactionRow,
    TransactionState,
    Transition,
    Wish,
)
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.sending.transaction import Outcomes, Transaction, wasted_gas

#: Writes what a transaction is for, in the commit that adds it, and returns its batch where it has one.
Record = Callable[[Writing, TransactionRow], StoredBatch | None]


class Store(Protocol):
    """Keeps signed transactions. What `add` and `add_attempt` return from is on disk (INV-6)."""

    async def add(
        self,
        purpose: Purpose,
        sender: Address,
        nonce: int,
        attempt: SignedAttempt,
        cost_wei: int,
        record: Record | None,
    ) -> tuple[TransactionRow, StoredBatch | None]:
        """Keep a new transaction, and return its row and its batch.

        Raises:
            SpendLimitReached: it may not cost so much.
            NonceConflict: another transaction holds the nonce.
        """
        ...

    async def add_attempt(self, transaction: Transaction, attempt: SignedAttempt, cost_wei: int) -> None:
        """Keep another signature of a transaction. Raises SpendLimitReached."""
        ...

    async def write(self, outcomes: Outcomes) -> None:
        """Keep what became of transactions."""
        ...

    async def explain(self, waiting: Iterable[Transaction]) -> None:
        """Keep why transactions are in no block yet."""
        ...

    async def take_wishes(self) -> tuple[tuple[TransactionRow, Wish], ...]:
        """Return what an operator asks of transactions, once."""
        ...


class MemoryStore:
    """Keeps nothing: the process waits for the transaction, and what it sends is lost with it."""

    def __init__(self) -> None:
        self._rows = 0

    async def add(
        self,
        purpose: Purpose,
        sender: Address,
        nonce: int,
        attempt: SignedAttempt,
        cost_wei: int,
        record: Record | None,
    ) -> tuple[TransactionRow, StoredBatch | None]:
        """Number the transaction."""
        del purpose, sender, nonce, attempt, cost_wei, record
        self._rows += 1
        return TransactionRow(self._rows), None

    async def add_attempt(self, transaction: Transaction, attempt: SignedAttempt, cost_wei: int) -> None:
        """Do nothing."""

    async def write(self, outcomes: Outcomes) -> None:
        """Do nothing."""

    async def explain(self, waiting: Iterable[Transaction]) -> None:
        """Do nothing."""

    async def take_wishes(self) -> tuple[tuple[TransactionRow, Wish], ...]:
        """Return nothing."""
        return ()


class JournalStore:
    """Keeps the transactions of one chain in the journal, and holds the operator's limit for 24 hours.

    Args:
        journal: open for writing.
        chain: the chain's row.
        clock: the wall clock.
        limit_wei: the most that may be spent in 24 hours; None for no limit.
        tell: returns the steps that outcomes add to the stories of messages.
    """

    def __init__(
        self,
        journal: Journal,
        chain: ChainRow,
        clock: Callable[[], Micros],
        limit_wei: int | None = None,
        tell: Callable[[Outcomes, Micros], Iterable[Transition]] = lambda _outcomes, _now: (),
    ) -> None:
        self._journal = journal
        self._chain = chain
        self._clock = clock
        self._limit_wei = limit_wei
        self._tell = tell

    async def add(
        self,
        purpose: Purpose,
        sender: Address,
        nonce: int,
        attempt: SignedAttempt,
        cost_wei: int,
        record: Record | None,
    ) -> tuple[TransactionRow, StoredBatch | None]:
        """Keep a new transaction, and what `record` writes, in one commit."""

        def write(writing: Writing) -> tuple[TransactionRow, StoredBatch | None]:
            row = writing.add_transaction(
                self._chain,
                purpose,
                sender,
                nonce,
                attempt,
                cost_wei=cost_wei,
                limit_wei=self._limit_wei,
            )
            return row, None if record is None else record(writing, row)

        return await self._journal.commit(write)

    async def add_attempt(self, transaction: Transaction, attempt: SignedAttempt, cost_wei: int) -> None:
        """Keep another signature of a transaction."""
        await self._journal.commit(
            lambda writing: writing.add_attempt(
                transaction.row, attempt, cost_wei=cost_wei, limit_wei=self._limit_wei
            )
        )

    async def write(self, outcomes: Outcomes) -> None:
        """Keep the states, the receipts and the steps of messages, in one commit."""
        steps = list(self._tell(outcomes, self._clock()))
        # Gathered in the loop's thread: the journal's only writes.
        receipts = [
            (transaction.row, transaction.receipt, wasted_gas(transaction))
            for transaction in outcomes.included
        ]
        ends = [(transaction.row, TransactionState.DISPLACED) for transaction in outcomes.displaced]
        ends += [(transaction.row, TransactionState.GIVEN_UP) for transaction, _ in outcomes.given_up]
        ends += [(transaction.row, TransactionState.SETTLED) for transaction in outcomes.settled]
        reopened = [(transaction.row, transaction.most_cost_wei) for transaction in outcomes.reopened]

        def write(writing: Writing) -> None:
            for row, cost_wei in reopened:
                writing.reopen_transaction(row, cost_wei)
            for row, receipt, wasted in receipts:
                assert receipt is not None
                _include(writing, row, receipt, wasted)
            for row, state in ends:
                writing.set_transaction_state(row, state)
            writing.add_transitions(steps)

        await self._journal.commit(write)

    async def explain(self, waiting: Iterable[Transaction]) -> None:
        """Keep why transactions are in no block yet."""
        reasons = [(transaction.row, transaction.waiting) for transaction in waiting]
        await self._journal.commit(lambda writing: writing.explain_transactions(reasons))

    async def take_wishes(self) -> tuple[tuple[TransactionRow, Wish], ...]:
        """Return and delete the wishes in the journal."""
        # Read first: a write each second would cost more than all else that an idle daemon does.
        if not await self._journal.read(lambda reading: reading.has_wishes(self._chain)):
            return ()
        return await self._journal.commit(lambda writing: writing.take_wishes(self._chain))


def _include(writing: Writing, row: TransactionRow, receipt: TxReceipt, wasted: int) -> None:
    writing.include_transaction(
        row,
        included_hash=receipt.tx_hash,
        block_number=receipt.block_number,
        block_hash=receipt.block_hash,
        succeeded=receipt.succeeded,
        gas_used=receipt.gas_used,
        fee_wei=receipt.fee_wei,
        wasted_gas=wasted,
    )
