# SPDX-License-Identifier: MIT
"""Keeps the transactions of a deployment in the manifest, for the sender that signs and follows them.

Each signature is in the file before it is offered to a node (INV-6): replacements, cancellations and the
fillers of gaps too. A transaction stays in it until the end of the run that saw it in a block, because its
block may go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from relayer.chains.base import Address
from relayer.endpoint.manifest import Hex, Manifest, Pending, Record, Signature
from relayer.endpoint.records import without_step
from relayer.endpoint.steps import step_of
from relayer.journal.rows import (
    ChainRow,
    Micros,
    Purpose,
    SignedAttempt,
    StoredBatch,
    StoredTransaction,
    TransactionRow,
    TransactionState,
    Wish,
)
from relayer.sending.store import Record as RecordWork
from relayer.sending.transaction import Outcomes, Transaction


class ManifestStore:
    """The transactions of one chain. Implements relayer.sending.store.Store.

    Args:
        manifest: has a record of the chain.
        name: of the chain.
        on_kept: called with each new transaction of a step when it is on disk, and was not offered yet.
    """

    def __init__(
        self, manifest: Manifest, name: str, on_kept: Callable[[Pending], None] = lambda _: None
    ) -> None:
        self._manifest = manifest
        self._name = name
        self.on_kept = on_kept
        #: The id of the step that the next transaction carries out.
        self.step = ""
        self._rows = 0

    @property
    def pending(self) -> tuple[Pending, ...]:
        """The transactions in the manifest."""
        return self._record.pending

    def find(self, transaction: Transaction) -> Pending | None:
        """Return what the manifest has of a transaction."""
        return next((kept for kept in self.pending if _is_of(kept, transaction)), None)

    def recover(self) -> tuple[StoredTransaction, ...]:
        """Return the transactions of earlier runs, for the sender."""
        return tuple(_to_stored(kept, self._next_row()) for kept in self.pending)

    def finished(self, transaction: Transaction) -> tuple[Pending, ...]:
        """Return what to keep once the record has what a transaction did; written together with that."""
        return tuple(
            msgspec.structs.replace(kept, is_done=True) if _is_of(kept, transaction) else kept
            for kept in self.pending
        )

    def close(self, transactions: Iterable[Transaction]) -> None:
        """Forget transactions whose blocks stayed until the end of the run.

        One whose step is not in the record yet stays: the next run finds it in its block.
        """
        gone = [
            kept
            for kept in map(self.find, transactions)
            if kept is not None and (kept.is_done or not kept.step)
        ]
        if gone:
            self._put(tuple(kept for kept in self.pending if kept not in gone))

    def forget(self, transactions: Iterable[Transaction]) -> None:
        """Forget transactions that can't land, or did not do what they were for.

        What the record has from one of them is taken out of it in the same write.
        """
        record = self._record
        for transaction in transactions:
            kept = self.find(transaction)
            if kept is not None and kept.is_done:
                record = without_step(record, step_of(self._name, kept.step))
            pending = tuple(other for other in record.pending if other != kept)
            record = msgspec.structs.replace(record, pending=pending)
        self._manifest.put(self._name, record)

    # --- Store ----------------------------------------------------------------------------------------------

    async def add(
        self,
        purpose: Purpose,
        sender: Address,
        nonce: int,
        attempt: SignedAttempt,
        cost_wei: int,
        record: RecordWork | None,
    ) -> tuple[TransactionRow, StoredBatch | None]:
        """Keep a new transaction."""
        del cost_wei, record
        step = "" if purpose is Purpose.FILL else self.step
        kept = Pending(step=step, sender=Hex(sender), nonce=nonce, signatures=(_to_signature(attempt),))
        self._put((*self.pending, kept))
        if step:
            self.on_kept(kept)
        return self._next_row(), None

    async def add_attempt(self, transaction: Transaction, attempt: SignedAttempt, cost_wei: int) -> None:
        """Keep another signature."""
        del cost_wei
        signature = _to_signature(attempt)
        self._put(
            tuple(
                msgspec.structs.replace(kept, signatures=(*kept.signatures, signature))
                if _is_of(kept, transaction)
                else kept
                for kept in self.pending
            )
        )

    async def write(self, outcomes: Outcomes) -> None:
        """Forget what is waited for no longer. What is in a block stays: whoever runs the steps needs it."""
        gone = [*outcomes.displaced, *(transaction for transaction, _ in outcomes.given_up)]
        if gone:
            self.forget(gone)

    async def explain(self, waiting: Iterable[Transaction]) -> None:
        """Do nothing: whoever waits tells the reasons."""

    async def take_wishes(self) -> tuple[tuple[TransactionRow, Wish], ...]:
        """Return nothing."""
        return ()

    # --- inside ---------------------------------------------------------------------------------------------

    @property
    def _record(self) -> Record:
        record = self._manifest.get(self._name)
        assert record is not None
        return record

    def _put(self, pending: tuple[Pending, ...]) -> None:
        self._manifest.put(self._name, msgspec.structs.replace(self._record, pending=pending))

    def _next_row(self) -> TransactionRow:
        self._rows += 1
        return TransactionRow(self._rows)


def _is_of(kept: Pending, transaction: Transaction) -> bool:
    return bytes(kept.sender) == transaction.sender and kept.nonce == transaction.nonce


def _to_signature(attempt: SignedAttempt) -> Signature:
    return Signature(
        raw=Hex(attempt.raw),
        tx_hash=Hex(attempt.tx_hash),
        gas=attempt.gas,
        max_fee_wei=attempt.max_fee_wei,
        priority_fee_wei=attempt.priority_fee_wei,
        at=attempt.at,
        is_cancellation=attempt.is_cancellation,
    )


def _to_stored(kept: Pending, row: TransactionRow) -> StoredTransaction:
    attempts = tuple(
        SignedAttempt(
            tx_hash=bytes(signature.tx_hash),
            raw=bytes(signature.raw),
            gas=signature.gas,
            max_fee_wei=signature.max_fee_wei,
            priority_fee_wei=signature.priority_fee_wei,
            at=Micros(signature.at),
            is_cancellation=signature.is_cancellation,
        )
        for signature in kept.signatures
    )
    return StoredTransaction(
        row=row,
        # The manifest has one chain in a record, and no rows.
        chain=ChainRow(0),
        purpose=Purpose.OTHER if kept.step else Purpose.FILL,
        sender=bytes(kept.sender),
        nonce=kept.nonce,
        state=TransactionState.OPEN,
        signed_at=attempts[0].at,
        attempts=attempts,
    )
