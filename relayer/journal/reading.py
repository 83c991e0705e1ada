# SPDX-License-Identifier: MIT
"""All reads of the journal: what a restart needs, and what people ask."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, func, select

from relayer.journal import schema
from relayer.journal.rows import (
    BatchRow,
    ChainRow,
    LaneRow,
    Micros,
    Purpose,
    SignedAttempt,
    StoredBatch,
    StoredChain,
    StoredLane,
    StoredMessage,
    StoredPage,
    StoredProof,
    StoredTransaction,
    StoredWait,
    TransactionRow,
    TransactionState,
    Transition,
    Wish,
)
from relayer.journal.spending import sum_spending
from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import EndpointId, LaneId, Message, MessageId
from relayer.protocol.message import Sequence as MessageSequence

#: Rows asked for in one statement: databases bound the variables of a statement.
_MANY: Final = 500


class Reading:
    """Reads that share one snapshot of the journal."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        """The rows of a statement that another module of the journal has made."""
        return self._connection.execute(statement).all()

    # --- chains and lanes -----------------------------------------------------------------------------------

    def chains(self) -> tuple[StoredChain, ...]:
        """All endpoints that were ever served."""
        return tuple(
            StoredChain(
                row=ChainRow(row.id),
                name=row.name,
                endpoint_id=row.endpoint_id,
                trusted_state=row.trusted_state,
                verified_height=row.verified_height,
                verified_timestamp=row.verified_timestamp,
                scanned_height=row.scanned_height,
            )
            for row in self._connection.execute(select(schema.chains).order_by(schema.chains.c.id))
        )

    def lanes(self) -> tuple[StoredLane, ...]:
        """All lanes that were ever served."""
        source, destination, lanes = schema.chains.alias(), schema.chains.alias(), schema.lanes
        statement = (
            select(
                lanes,
                source.c.name.label("source_name"),
                source.c.endpoint_id.label("source_endpoint"),
                destination.c.name.label("destination_name"),
                destination.c.endpoint_id.label("destination_endpoint"),
            )
            .join(source, source.c.id == lanes.c.source)
            .join(destination, destination.c.id == lanes.c.destination)
            .order_by(lanes.c.id)
        )
        return tuple(
            StoredLane(
                row=LaneRow(row.id),
                lane=Lane(
                    EndpointId(row.source_endpoint),
                    EndpointId(row.destination_endpoint),
                    row.channel,
                    row.flags,
                ),
                source=row.source_name,
                destination=row.destination_name,
                proven=row.proven,
                proven_head=row.proven_head,
                proven_block=row.proven_block,
                settled=row.settled,
                waiting=_waiting(row.reason, row.reason_detail),
                waiting_since=Micros(row.reason_since or 0),
            )
            for row in self._connection.execute(statement)
        )

    # --- messages -------------------------------------------------------------------------------------------

    def messages(self, lane: LaneRow, first: int, last: int) -> tuple[StoredMessage, ...]:
        """The messages first..last inclusive, by sequence, as far as they are known."""
        table = schema.messages
        where = and_(table.c.lane == lane, table.c.sequence.between(first, last))
        return tuple(self._messages(where))

    def message(self, message_id: bytes) -> StoredMessage | None:
        """A message by its id; None when the journal does not know it."""
        return next(self._messages(schema.messages.c.leaf == message_id), None)

    def _messages(self, where: Any) -> Iterator[StoredMessage]:
        messages, lanes = schema.messages, schema.lanes
        # Commands read journals that no newer daemon has brought up to date yet.
        columns: list[Any] = [column for column in messages.columns if column is not messages.c.observed_at]
        statement: Select[Any] = (
            select(*columns, lanes.c.lane_id)
            .join(lanes, lanes.c.id == messages.c.lane)
            .where(where)
            .order_by(messages.c.lane, messages.c.sequence)
        )
        for row in self._connection.execute(statement):
            yield _message(row)

    # --- the story ------------------------------------------------------------------------------------------

    def transitions(self, lane: LaneRow, first_page: int, last_page: int) -> tuple[Transition, ...]:
        """The steps of pages first..last inclusive, oldest first."""
        table = schema.transitions
        statement: Select[Any] = (
            select(table)
            .where(table.c.lane == lane, table.c.page.between(first_page, last_page))
            .order_by(table.c.id)
        )
        return tuple(_transition(row) for row in self._connection.execute(statement))

    def transitions_after(self, number: int, limit: int) -> tuple[tuple[int, Transition], ...]:
        """The first steps of all lanes behind the one with this number, each with its number."""
        table = schema.transitions
        statement: Select[Any] = select(table).where(table.c.id > number).order_by(table.c.id).limit(limit)
        return tuple((row.id, _transition(row)) for row in self._connection.execute(statement))

    def newest_transition(self) -> int:
        """The number of the newest step; 0 where there is none."""
        return self._connection.execute(select(func.max(schema.transitions.c.id))).scalar() or 0

    def proofs(
        self, lane: LaneRow, first_page: int = 0, last_page: int | None = None
    ) -> tuple[StoredProof, ...]:
        """The newest proofs of the pages from `first_page` on, to `last_page` inclusive where it is given."""
        table = schema.proofs
        where = [table.c.lane == lane, table.c.page >= first_page]
        if last_page is not None:
            where.append(table.c.page <= last_page)
        rows = self._connection.execute(select(table).where(*where).order_by(table.c.page))
        return tuple(
            StoredProof(LaneRow(r.lane), r.page, r.last, r.head, r.height, r.timestamp, r.proof) for r in rows
        )

    def pages(
        self, lane: LaneRow, first_page: int = 0, last_page: int | None = None
    ) -> tuple[StoredPage, ...]:
        """What is settled of the pages from `first_page` on, to `last_page` inclusive where it is given."""
        table = schema.pages
        where = [table.c.lane == lane, table.c.page >= first_page]
        if last_page is not None:
            where.append(table.c.page <= last_page)
        rows = self._connection.execute(select(table).where(*where).order_by(table.c.page))
        return tuple(
            StoredPage(
                LaneRow(row.lane),
                row.page,
                int.from_bytes(row.delivered),
                int.from_bytes(row.expired),
                row.height,
            )
            for row in rows
        )

    def waits(self, lane: LaneRow, first: int = 0, last: int | None = None) -> tuple[StoredWait, ...]:
        """Why single messages of a lane wait, from `first` on, to `last` inclusive where it is given."""
        table = schema.waits
        where = [table.c.lane == lane, table.c.sequence >= first]
        if last is not None:
            where.append(table.c.sequence <= last)
        rows = self._connection.execute(select(table).where(*where).order_by(table.c.sequence))
        return tuple(
            StoredWait(
                lane=LaneRow(row.lane),
                sequence=row.sequence,
                waiting=Waiting(WaitingReason(row.reason), row.detail),
                since=Micros(row.since),
                attempts=row.attempts,
                not_before=Micros(row.not_before),
            )
            for row in rows
        )

    # --- transactions ---------------------------------------------------------------------------------------

    def live_transactions(self, chain: ChainRow | None = None) -> tuple[StoredTransaction, ...]:
        """The transactions that may still land, or whose effect is not proven yet, by row.

        Those of one chain, or of all.
        """
        table = schema.transactions
        live = table.c.state.in_([TransactionState.OPEN.value, TransactionState.INCLUDED.value])
        return self._transactions(live if chain is None else and_(table.c.chain == chain, live))

    def transactions(self, rows: Iterable[TransactionRow]) -> tuple[StoredTransaction, ...]:
        """Transactions by row."""
        wanted = tuple(rows)
        found: list[StoredTransaction] = []
        for start in range(0, len(wanted), _MANY):
            found += self._transactions(schema.transactions.c.id.in_(wanted[start : start + _MANY]))
        return tuple(found)

    def transactions_of_hash(self, tx_hash: bytes) -> tuple[StoredTransaction, ...]:
        """The transaction with a signature of this hash; none where the journal does not know it."""
        table = schema.attempts
        found = self._connection.execute(select(table.c.transaction).where(table.c.tx_hash == tx_hash))
        return self.transactions(TransactionRow(row) for row in found.scalars())

    def _transactions(self, where: Any) -> tuple[StoredTransaction, ...]:
        table, attempts = schema.transactions, schema.attempts
        statement = (
            select(
                table,
                attempts.c.tx_hash,
                attempts.c.raw,
                attempts.c.gas,
                attempts.c.max_fee_wei,
                attempts.c.priority_fee_wei,
                attempts.c.at,
                attempts.c.is_cancellation,
            )
            .join(attempts, attempts.c.transaction == table.c.id)
            .where(where)
            .order_by(table.c.id, attempts.c.id)
        )
        rows: dict[int, tuple[Row[Any], list[SignedAttempt]]] = {}
        for row in self._connection.execute(statement):
            attempt = SignedAttempt(
                tx_hash=row.tx_hash,
                raw=row.raw,
                gas=row.gas,
                max_fee_wei=int(row.max_fee_wei),
                priority_fee_wei=int(row.priority_fee_wei),
                at=Micros(row.at),
                is_cancellation=bool(row.is_cancellation),
            )
            rows.setdefault(row.id, (row, []))[1].append(attempt)
        return tuple(
            StoredTransaction(
                row=TransactionRow(row.id),
                chain=ChainRow(row.chain),
                purpose=Purpose(row.purpose),
                sender=row.sender,
                nonce=row.nonce,
                state=TransactionState(row.state),
                signed_at=Micros(row.signed_at),
                attempts=tuple(signed),
                block_number=row.block_number,
                block_hash=row.block_hash,
                included_hash=row.included_hash,
                succeeded=None if row.succeeded is None else bool(row.succeeded),
                gas_used=row.gas_used,
                fee_wei=None if row.fee_wei is None else int(row.fee_wei),
                wasted_gas=row.wasted_gas,
                waiting=_waiting(row.reason, row.reason_detail),
            )
            for row, signed in rows.values()
        )

    def carried_waits(
        self, lane: LaneRow, first_page: int = 0, last_page: int | None = None
    ) -> tuple[tuple[int, int, Waiting], ...]:
        """Why messages wait that open transactions carry: page, messages as bits of it, and the reason."""
        table, batches = schema.transactions, schema.batches
        where = [
            batches.c.lane == lane,
            batches.c.page >= first_page,
            table.c.state == TransactionState.OPEN.value,
            table.c.reason.is_not(None),
        ]
        if last_page is not None:
            where.append(batches.c.page <= last_page)
        rows = self._connection.execute(
            select(batches.c.page, batches.c.mask, table.c.reason, table.c.reason_detail)
            .join(table, table.c.id == batches.c.transaction)
            .where(*where)
        )
        return tuple(
            (row.page, int.from_bytes(row.mask), Waiting(WaitingReason(row.reason), row.reason_detail or ""))
            for row in rows
        )

    def has_wishes(self, chain: ChainRow) -> bool:
        """Whether an operator asks something of a chain's transactions."""
        table, transactions = schema.wishes, schema.transactions
        statement = (
            select(table.c.id)
            .join(transactions, transactions.c.id == table.c.transaction)
            .where(transactions.c.chain == chain)
            .limit(1)
        )
        return self._connection.execute(statement).first() is not None

    def wish_of(self, transaction: TransactionRow) -> Wish | None:
        """What an operator asks of a transaction and the daemon has not taken yet, the newest; else None."""
        table = schema.wishes
        found = self._connection.execute(
            select(table.c.wish).where(table.c.transaction == transaction).order_by(table.c.id.desc())
        ).scalar()
        return None if found is None else Wish(found)

    def batches_of(self, transactions: Iterable[TransactionRow]) -> tuple[StoredBatch, ...]:
        """The batches that transactions carry."""
        wanted = tuple(transactions)
        found: list[StoredBatch] = []
        for start in range(0, len(wanted), _MANY):
            found += self._batches(schema.batches.c.transaction.in_(wanted[start : start + _MANY]))
        return tuple(found)

    def batches(self, rows: Iterable[BatchRow]) -> tuple[StoredBatch, ...]:
        """Batches by row."""
        wanted = tuple(rows)
        found: list[StoredBatch] = []
        for start in range(0, len(wanted), _MANY):
            found += self._batches(schema.batches.c.id.in_(wanted[start : start + _MANY]))
        return tuple(found)

    def _batches(self, where: Any) -> list[StoredBatch]:
        return [
            StoredBatch(
                row=BatchRow(row.id),
                lane=LaneRow(row.lane),
                page=row.page,
                first=row.first,
                last=row.last,
                mask=int.from_bytes(row.mask),
                proof_height=row.proof_height,
                transaction=TransactionRow(row.transaction),
            )
            for row in self._connection.execute(
                select(schema.batches).where(where).order_by(schema.batches.c.id)
            )
        ]

    def spent_wei(self, chain: ChainRow, now: Micros) -> int:
        """What transactions signed in the last 24 hours cost on a chain, open ones with their maximum."""
        return sum_spending(self._connection, chain, now)


def _waiting(reason: str | None, detail: str | None) -> Waiting | None:
    return None if reason is None else Waiting(WaitingReason(reason), detail or "")


def _transition(row: Row[Any]) -> Transition:
    return Transition(
        lane=LaneRow(row.lane),
        first=row.first,
        last=row.last,
        state=DeliveryState(row.step),
        at=Micros(row.at),
        mask=None if row.mask is None else int.from_bytes(row.mask),
        batch=None if row.batch is None else BatchRow(row.batch),
        detail={} if row.detail is None else json.loads(row.detail),
    )


def _message(row: Row[Any]) -> StoredMessage:
    return StoredMessage(
        lane=LaneRow(row.lane),
        message=Message(
            lane_id=LaneId(row.lane_id),
            sequence=MessageSequence(row.sequence),
            sender=row.sender,
            recipient=row.recipient,
            gas_limit=int(row.gas_limit),
            deadline=int(row.deadline),
            fee_wei=int(row.fee_wei),
            payload=row.payload,
        ),
        leaf=MessageId(row.leaf),
        head=row.head,
        block_number=row.block_number,
        block_hash=row.block_hash,
        tx_hash=row.tx_hash,
        log_index=row.log_index,
    )
