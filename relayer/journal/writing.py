# SPDX-License-Identifier: MIT
"""All writes to the journal. The calls on one `Writing` share one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from relayer.errors import NonceConflict, SpendLimitReached
from relayer.journal import schema
from relayer.journal.reading import Reading
from relayer.journal.rows import (
    BatchRow,
    ChainRow,
    LaneRow,
    Micros,
    Purpose,
    SignedAttempt,
    StoredBatch,
    StoredMessage,
    StoredPage,
    StoredProof,
    StoredWait,
    TransactionRow,
    TransactionState,
    Transition,
    Wish,
)
from relayer.journal.spending import hour_of, sum_spending
from relayer.journal.statements import BulkInsert
from relayer.journal.states import Page, StateCache, advance
from relayer.protocol.delivery import DeliveryState, Waiting
from relayer.protocol.lane import Lane
from relayer.protocol.message import ZERO_HEAD

_WORD: Final = 32

_MESSAGES: Final = BulkInsert(
    schema.messages,
    [column.name for column in schema.messages.columns],
    replace=True,
    keep=("observed_at",),
)
_TRANSITIONS: Final = BulkInsert(
    schema.transitions, ["lane", "page", "first", "last", "mask", "step", "at", "batch", "detail"]
)
_PROOFS: Final = BulkInsert(schema.proofs, [column.name for column in schema.proofs.columns], replace=True)
_PAGES: Final = BulkInsert(schema.pages, [column.name for column in schema.pages.columns], replace=True)
_WAITS: Final = BulkInsert(schema.waits, [column.name for column in schema.waits.columns], replace=True)


class Writing:
    """The writes of one transaction. The object is of no use after it.

    Attributes:
        states: the states of the pages that steps were added to. They are true once the transaction is on
            disk.
    """

    def __init__(self, connection: Connection, known: StateCache) -> None:
        self._connection = connection
        self._known = known
        self.states: dict[Page, dict[DeliveryState, int]] = {}

    # --- chains and lanes -----------------------------------------------------------------------------------

    def put_chain(self, endpoint_id: bytes, name: str, *, scanned_height: int, at: Micros) -> ChainRow:
        """Return the row of an endpoint, with its newest name.

        A new one starts to read logs after `scanned_height`.
        """
        table = schema.chains
        row = self._connection.execute(
            select(table.c.id, table.c.name).where(table.c.endpoint_id == endpoint_id)
        ).one_or_none()
        if row is None:
            values = {"verified_height": 0, "verified_timestamp": 0, "scanned_height": scanned_height}
            return ChainRow(
                self._insert(
                    insert(table).values(endpoint_id=endpoint_id, name=name, updated_at=at, **values)
                )
            )
        if row.name != name:
            self._connection.execute(update(table).where(table.c.id == row.id).values(name=name))
        return ChainRow(row.id)

    def put_lane(self, lane: Lane, source: ChainRow, destination: ChainRow) -> LaneRow:
        """Return the row of a lane. A new one starts at its first message."""
        table = schema.lanes
        row = self._connection.execute(
            select(table.c.id).where(table.c.lane_id == lane.id)
        ).scalar_one_or_none()
        if row is not None:
            return LaneRow(row)
        statement = insert(table).values(
            lane_id=lane.id,
            source=source,
            destination=destination,
            channel=lane.channel,
            flags=lane.flags,
            proven=0,
            proven_head=ZERO_HEAD,
            proven_block=0,
            settled=0,
        )
        return LaneRow(self._insert(statement))

    def move_chain(
        self,
        row: ChainRow,
        *,
        verified_height: int,
        verified_timestamp: int,
        scanned_height: int,
        trusted_state: bytes | None,
        at: Micros,
    ) -> None:
        """Move a chain's cursors; `trusted_state` None leaves the state as it is."""
        values: dict[str, Any] = {
            "verified_height": verified_height,
            "verified_timestamp": verified_timestamp,
            "scanned_height": scanned_height,
            "updated_at": at,
        }
        if trusted_state is not None:
            values["trusted_state"] = trusted_state
        table = schema.chains
        self._connection.execute(update(table).where(table.c.id == row).values(values))

    def move_lane(self, row: LaneRow, *, proven: int, proven_head: bytes, proven_block: int) -> None:
        """Keep how many messages of a lane are proven, and the head and the block after them."""
        values = {"proven": proven, "proven_head": proven_head, "proven_block": proven_block}
        self._connection.execute(update(schema.lanes).where(schema.lanes.c.id == row).values(values))

    def settle_lane(self, row: LaneRow, settled: int) -> None:
        """Keep below which sequence nothing more happens to any message."""
        self._connection.execute(update(schema.lanes).where(schema.lanes.c.id == row).values(settled=settled))

    def set_reason(self, row: LaneRow, waiting: Waiting | None, at: Micros) -> None:
        """Keep why the lane as a whole waits; None when it does not."""
        values = {
            "reason": None if waiting is None else waiting.reason.value,
            "reason_detail": None if waiting is None else waiting.detail,
            "reason_since": None if waiting is None else at,
        }
        self._connection.execute(update(schema.lanes).where(schema.lanes.c.id == row).values(values))

    # --- messages and their story ---------------------------------------------------------------------------

    def put_messages(self, stored: Iterable[StoredMessage], at: Micros) -> None:
        """Keep messages, which are told of at this moment.

        One with a sequence that is there already, as hearsay, replaces it, and keeps the first moment.
        """
        _MESSAGES.run(
            self._connection,
            [
                (
                    known.lane,
                    known.message.sequence,
                    known.leaf,
                    known.head,
                    known.message.sender,
                    known.message.recipient,
                    str(known.message.gas_limit),
                    str(known.message.deadline),
                    str(known.message.fee_wei),
                    known.message.payload,
                    known.block_number,
                    known.block_hash,
                    known.tx_hash,
                    known.log_index,
                    at,
                )
                for known in stored
            ],
        )

    def discard_messages(self, lane: LaneRow, first: int) -> None:
        """Delete the messages from `first` on, which must be hearsay. Their transitions stay."""
        table = schema.messages
        self._connection.execute(delete(table).where(table.c.lane == lane, table.c.sequence >= first))

    def add_transitions(self, transitions: Iterable[Transition]) -> None:
        """Append steps to the messages' stories, as far as they are news: see states.advance.

        Raises:
            IllegalTransition: a step does not follow the state that one of its messages is in. It is a defect
                of ours; nothing of the caller's work is written.
        """
        rows = []
        for step in transitions:
            bits = advance(self._states_of(step), step)
            if bits:
                mask = step.mask if bits == step.bits else bits
                rows.append(
                    (
                        step.lane,
                        step.page,
                        step.first,
                        step.last,
                        None if mask is None else mask.to_bytes(_WORD),
                        step.state.value,
                        step.at,
                        step.batch,
                        encode_detail(step.detail),
                    )
                )
        _TRANSITIONS.run(self._connection, rows)

    def _states_of(self, step: Transition) -> dict[DeliveryState, int]:
        page = step.lane, step.page
        if page not in self.states:
            read = partial(Reading(self._connection).transitions, step.lane, step.page, step.page)
            self.states[page] = dict(self._known.get(page, read))
        return self.states[page]

    def put_proofs(self, proofs: Iterable[StoredProof]) -> None:
        """Keep proofs. A page has one: the newest."""
        _PROOFS.run(
            self._connection,
            [(p.lane, p.page, p.last, p.head, p.height, p.timestamp, p.proof) for p in proofs],
        )

    def put_pages(self, pages: Iterable[StoredPage]) -> None:
        """Keep which messages of pages are delivered or expired."""
        _PAGES.run(
            self._connection,
            [
                (p.lane, p.page, p.delivered.to_bytes(_WORD), p.expired.to_bytes(_WORD), p.height)
                for p in pages
            ],
        )

    def put_waits(self, waits: Iterable[StoredWait]) -> None:
        """Keep why single messages wait."""
        _WAITS.run(
            self._connection,
            [
                (
                    w.lane,
                    w.sequence,
                    w.waiting.reason.value,
                    w.waiting.detail,
                    w.since,
                    w.attempts,
                    w.not_before,
                )
                for w in waits
            ],
        )

    def clear_waits(self, lane: LaneRow, sequences: Collection[int]) -> None:
        """Delete the reasons of single messages, which wait no more."""
        if sequences:
            table = schema.waits
            self._connection.execute(
                delete(table).where(table.c.lane == lane, table.c.sequence.in_(tuple(sequences)))
            )

    # --- transactions ---------------------------------------------------------------------------------------

    def add_transaction(
        self,
        chain: ChainRow,
        purpose: Purpose,
        sender: bytes,
        nonce: int,
        attempt: SignedAttempt,
        *,
        cost_wei: int = 0,
        limit_wei: int | None = None,
    ) -> TransactionRow:
        """Keep a signed transaction, and return its row. It must be on disk before it is broadcast (INV-6).

        Args:
            chain: the row of its chain.
            purpose: what it is for.
            sender: the account, 20 bytes.
            nonce: the account's nonce.
            attempt: its signature.
            cost_wei: the most that it can cost, which is reserved.
            limit_wei: the most that may be spent and reserved on the chain in 24 hours; None for no limit.

        Raises:
            NonceConflict: another transaction of this account with this nonce may still land.
            SpendLimitReached: the reservation does not fit the limit.
        """
        table = schema.transactions
        clash = self._connection.execute(
            select(table.c.id).where(
                table.c.chain == chain,
                table.c.state.in_([TransactionState.OPEN.value, TransactionState.INCLUDED.value]),
                table.c.sender == sender,
                table.c.nonce == nonce,
            )
        ).first()
        if clash is not None:
            raise NonceConflict(
                f"nonce {nonce} of 0x{sender.hex()}, which a journalled transaction holds",
                "a nonce that nothing signed holds",
                "The work is signed again with another nonce",
            )
        self._spend(chain, attempt.at, cost_wei, limit_wei)
        statement = insert(table).values(
            chain=chain,
            purpose=purpose.value,
            sender=sender,
            nonce=nonce,
            state=TransactionState.OPEN.value,
            signed_at=attempt.at,
            reserved_wei=str(cost_wei),
        )
        row = TransactionRow(self._insert(statement))
        self._add_attempt(row, attempt)
        return row

    def add_attempt(
        self,
        transaction: TransactionRow,
        attempt: SignedAttempt,
        *,
        cost_wei: int = 0,
        limit_wei: int | None = None,
    ) -> None:
        """Keep another signature for the same nonce. It must be on disk before it is broadcast (INV-6).

        Of all signatures only one lands, so what is reserved grows to `cost_wei` and not by it.

        Raises:
            SpendLimitReached: the reservation does not fit the limit; see `add_transaction`.
        """
        self._reserve(transaction, lambda reserved: max(reserved, cost_wei), limit_wei)
        self._add_attempt(transaction, attempt)

    def _add_attempt(self, transaction: TransactionRow, attempt: SignedAttempt) -> None:
        self._connection.execute(
            insert(schema.attempts).values(
                transaction=transaction,
                tx_hash=attempt.tx_hash,
                raw=attempt.raw,
                gas=attempt.gas,
                max_fee_wei=str(attempt.max_fee_wei),
                priority_fee_wei=str(attempt.priority_fee_wei),
                at=attempt.at,
                is_cancellation=int(attempt.is_cancellation),
            )
        )

    def _reserve(
        self, transaction: TransactionRow, change: Callable[[int], int], limit_wei: int | None = None
    ) -> None:
        """Change what a transaction counts in the hour in which it was signed."""
        table = schema.transactions
        row = self._connection.execute(
            select(table.c.chain, table.c.signed_at, table.c.reserved_wei).where(table.c.id == transaction)
        ).one()
        before = int(row.reserved_wei or 0)
        after = change(before)
        if after != before:
            self._spend(ChainRow(row.chain), Micros(row.signed_at), after - before, limit_wei)
            self._set_transaction(transaction, {"reserved_wei": str(after)})

    def _spend(self, chain: ChainRow, at: Micros, wei: int, limit_wei: int | None) -> None:
        """Count wei to the hour of `at`. Raises SpendLimitReached where the last 24 hours would exceed it."""
        table, hour = schema.spending, hour_of(at)
        if limit_wei is not None and wei > 0:
            spent = sum_spending(self._connection, chain, at)
            if spent + wei > limit_wei:
                raise SpendLimitReached(
                    f"{spent} wei spent and reserved in 24 hours, and {wei} wei more to reserve",
                    f"at most max_spend_ether_per_day = {limit_wei / 10**18:g} ({limit_wei} wei)",
                    "Raise the chain's max_spend_ether_per_day, or wait until older transactions are a day old",
                )
        if wei:
            where = (table.c.chain == chain, table.c.hour == hour)
            found = self._connection.execute(select(table.c.wei).where(*where)).scalar_one_or_none()
            if found is None:
                self._connection.execute(insert(table).values(chain=chain, hour=hour, wei=str(wei)))
            else:
                total = max(0, int(found) + wei)
                self._connection.execute(update(table).where(*where).values(wei=str(total)))

    def add_batch(self, batch: StoredBatch) -> BatchRow:
        """Keep which messages a transaction carries, and return the batch's row.

        The row in `batch` is ignored.
        """
        statement = insert(schema.batches).values(
            lane=batch.lane,
            page=batch.page,
            first=batch.first,
            last=batch.last,
            mask=batch.mask.to_bytes(_WORD),
            proof_height=batch.proof_height,
            transaction=batch.transaction,
        )
        return BatchRow(self._insert(statement))

    def include_transaction(
        self,
        row: TransactionRow,
        *,
        included_hash: bytes,
        block_number: int,
        block_hash: bytes,
        succeeded: bool,
        gas_used: int,
        fee_wei: int,
        wasted_gas: int,
    ) -> None:
        """Keep the facts of a receipt. What was reserved becomes what it did cost.

        What was settled meanwhile stays so: who looks for receipts and who proves effects do not wait for
        each other.
        """
        self._reserve(row, lambda _: fee_wei)
        state = TransactionState.INCLUDED if self._is_live(row) else TransactionState.SETTLED
        self._set_transaction(
            row,
            {
                "state": state.value,
                "included_hash": included_hash,
                "block_number": block_number,
                "block_hash": block_hash,
                "succeeded": int(succeeded),
                "gas_used": gas_used,
                "fee_wei": str(fee_wei),
                "wasted_gas": wasted_gas,
            },
        )

    def set_transaction_state(self, row: TransactionRow, state: TransactionState) -> None:
        """Keep what became of a nonce, SETTLED, DISPLACED or GIVEN_UP.

        What can't land any more reserves nothing.
        """
        if state in (TransactionState.DISPLACED, TransactionState.GIVEN_UP):
            self._reserve(row, lambda _: 0)
        self._set_transaction(row, {"state": state.value})

    def reopen_transaction(self, row: TransactionRow, cost_wei: int) -> None:
        """Keep that a transaction may land again, delete the facts of its receipt, and reserve its cost.

        What was settled meanwhile stays so; its nonce may be another one's already.
        """
        if not self._is_live(row):
            return
        forgotten = (
            "included_hash",
            "block_number",
            "block_hash",
            "succeeded",
            "gas_used",
            "fee_wei",
            "wasted_gas",
        )
        self._reserve(row, lambda _: cost_wei)
        # A fee that is left here would count as what the transaction has cost.
        self._set_transaction(row, {"state": TransactionState.OPEN.value, **dict.fromkeys(forgotten)})

    def _is_live(self, row: TransactionRow) -> bool:
        """Whether a transaction may still land, or its effect is not proven yet."""
        table = schema.transactions
        state = self._connection.execute(select(table.c.state).where(table.c.id == row)).scalar_one()
        return state in (TransactionState.OPEN.value, TransactionState.INCLUDED.value)

    def explain_transactions(self, reasons: Iterable[tuple[TransactionRow, Waiting]]) -> None:
        """Keep why open transactions are in no block yet."""
        for row, waiting in reasons:
            self._set_transaction(row, {"reason": waiting.reason.value, "reason_detail": waiting.detail})

    # --- wishes ---------------------------------------------------------------------------------------------

    def add_wish(self, transaction: TransactionRow, wish: Wish, at: Micros) -> None:
        """Keep what an operator asks of a transaction, for the daemon that follows it."""
        self._insert(insert(schema.wishes).values(transaction=transaction, wish=wish.value, at=at))

    def take_wishes(self, chain: ChainRow) -> tuple[tuple[TransactionRow, Wish], ...]:
        """Return what operators ask of a chain's transactions, oldest first, and delete it."""
        table, transactions = schema.wishes, schema.transactions
        rows = self._connection.execute(
            select(table.c.id, table.c.transaction, table.c.wish)
            .join(transactions, transactions.c.id == table.c.transaction)
            .where(transactions.c.chain == chain)
            .order_by(table.c.id)
        ).all()
        if rows:
            self._connection.execute(delete(table).where(table.c.id.in_([row.id for row in rows])))
        return tuple((TransactionRow(row.transaction), Wish(row.wish)) for row in rows)

    def _set_transaction(self, row: TransactionRow, values: Mapping[str, Any]) -> None:
        table = schema.transactions
        self._connection.execute(update(table).where(table.c.id == row).values(values))

    def _insert(self, statement: Any) -> int:
        result = self._connection.execute(statement)
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])


def encode_detail(detail: Mapping[str, Any]) -> str | None:
    """Return a step's detail as JSON, with bytes as hex; None for an empty one."""
    return json.dumps(detail, default=_as_hex, separators=(",", ":")) if detail else None


def _as_hex(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    raise TypeError(f"found {type(value).__name__}, expected bytes or what JSON has")
