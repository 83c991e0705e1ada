# SPDX-License-Identifier: MIT
"""Everything that is ever written to the journal. All calls on one `Writing` share one transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from relayer.errors import NonceConflict
from relayer.journal import schema
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
)
from relayer.journal.statements import BulkInsert
from relayer.protocol.delivery import Waiting
from relayer.protocol.lane import Lane
from relayer.protocol.message import ZERO_HEAD

_WORD = 32

_MESSAGES = BulkInsert(schema.messages, [column.name for column in schema.messages.columns], replace=True)
_TRANSITIONS = BulkInsert(
    schema.transitions, ["lane", "page", "first", "last", "mask", "step", "at", "batch", "detail"]
)
_PROOFS = BulkInsert(schema.proofs, [column.name for column in schema.proofs.columns], replace=True)
_PAGES = BulkInsert(schema.pages, [column.name for column in schema.pages.columns], replace=True)
_WAITS = BulkInsert(schema.waits, [column.name for column in schema.waits.columns], replace=True)


class Writing:
    """One transaction's writes. Nothing is kept between transactions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- chains and lanes ---

    def put_chain(self, endpoint_id: bytes, name: str, *, scanned_height: int, at: Micros) -> ChainRow:
        """The row of an endpoint; a new one starts to read logs after `scanned_height`."""
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
        """The row of a lane; a new one starts at its first message."""
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

    def rescan_chain(self, row: ChainRow, scanned_height: int) -> None:
        """Go back: the logs after this height are read again after the next start."""
        table = schema.chains
        self._connection.execute(
            update(table)
            .where(table.c.id == row, table.c.scanned_height > scanned_height)
            .values(scanned_height=scanned_height)
        )

    def move_lane(self, row: LaneRow, *, proven: int, proven_head: bytes, proven_block: int) -> None:
        """Say up to which message a verified header vouches for the lane."""
        values = {"proven": proven, "proven_head": proven_head, "proven_block": proven_block}
        self._connection.execute(update(schema.lanes).where(schema.lanes.c.id == row).values(values))

    def settle_lane(self, row: LaneRow, settled: int) -> None:
        """Say below which message nothing more happens."""
        self._connection.execute(update(schema.lanes).where(schema.lanes.c.id == row).values(settled=settled))

    def set_reason(self, row: LaneRow, waiting: Waiting | None, at: Micros) -> None:
        """Say why the lane as a whole waits; None when it does not."""
        values = {
            "reason": None if waiting is None else waiting.reason.value,
            "reason_detail": None if waiting is None else waiting.detail,
            "reason_since": None if waiting is None else at,
        }
        self._connection.execute(update(schema.lanes).where(schema.lanes.c.id == row).values(values))

    # --- messages and their story ---

    def put_messages(self, stored: Iterable[StoredMessage]) -> None:
        """Keep messages; one that takes the place of hearsay replaces it."""
        _MESSAGES.run(
            self._connection,
            [
                (
                    each.lane,
                    each.message.sequence,
                    each.leaf,
                    each.head,
                    each.message.sender,
                    each.message.recipient,
                    str(each.message.gas_limit),
                    str(each.message.deadline),
                    str(each.message.fee_wei),
                    each.message.payload,
                    each.block_number,
                    each.block_hash,
                    each.tx_hash,
                    each.log_index,
                )
                for each in stored
            ],
        )

    def discard_messages(self, lane: LaneRow, first: int) -> None:
        """Forget the messages from `first` on, which no header vouches for. Their story stays."""
        table = schema.messages
        self._connection.execute(delete(table).where(table.c.lane == lane, table.c.sequence >= first))

    def add_transitions(self, transitions: Iterable[Transition]) -> None:
        """Append steps to the story."""
        _TRANSITIONS.run(
            self._connection,
            [
                (
                    each.lane,
                    each.page,
                    each.first,
                    each.last,
                    None if each.mask is None else each.mask.to_bytes(_WORD),
                    each.state.value,
                    each.at,
                    each.batch,
                    encode_detail(each.detail),
                )
                for each in transitions
            ],
        )

    def put_proofs(self, proofs: Iterable[StoredProof]) -> None:
        """Keep the newest proof of each page."""
        _PROOFS.run(
            self._connection,
            [(p.lane, p.page, p.last, p.head, p.height, p.timestamp, p.proof) for p in proofs],
        )

    def put_pages(self, pages: Iterable[StoredPage]) -> None:
        """Keep what is settled of pages."""
        _PAGES.run(
            self._connection,
            [
                (p.lane, p.page, p.delivered.to_bytes(_WORD), p.expired.to_bytes(_WORD), p.height)
                for p in pages
            ],
        )

    def put_waits(self, waits: Iterable[StoredWait]) -> None:
        """Say why single messages wait."""
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
        """Single messages wait no more."""
        if sequences:
            table = schema.waits
            self._connection.execute(
                delete(table).where(table.c.lane == lane, table.c.sequence.in_(tuple(sequences)))
            )

    # --- transactions ---

    def add_transaction(
        self, chain: ChainRow, purpose: Purpose, sender: bytes, nonce: int, attempt: SignedAttempt
    ) -> TransactionRow:
        """Commit signed bytes, before they are broadcast (INV-6).

        Raises:
            NonceConflict: another transaction of this account with this nonce may still land.
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
        statement = insert(table).values(
            chain=chain,
            purpose=purpose.value,
            sender=sender,
            nonce=nonce,
            state=TransactionState.OPEN.value,
            signed_at=attempt.at,
        )
        row = TransactionRow(self._insert(statement))
        self.add_attempt(row, attempt)
        return row

    def add_attempt(self, transaction: TransactionRow, attempt: SignedAttempt) -> None:
        """Commit another signature for the same nonce, before it is broadcast."""
        self._connection.execute(
            insert(schema.attempts).values(
                transaction=transaction,
                tx_hash=attempt.tx_hash,
                raw=attempt.raw,
                gas=attempt.gas,
                max_fee_wei=str(attempt.max_fee_wei),
                priority_fee_wei=str(attempt.priority_fee_wei),
                at=attempt.at,
            )
        )

    def add_batch(self, batch: StoredBatch) -> BatchRow:
        """Say which messages a transaction carries; the given `row` is of no account."""
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
        """Keep what a receipt says."""
        self._set_transaction(
            row,
            {
                "state": TransactionState.INCLUDED.value,
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
        """Say what became of a nonce. Opening it again forgets its receipt."""
        values: dict[str, Any] = {"state": state.value}
        if state is TransactionState.OPEN:
            forgotten = (
                "included_hash",
                "block_number",
                "block_hash",
                "succeeded",
                "gas_used",
                "fee_wei",
                "wasted_gas",
            )
            values |= dict.fromkeys(forgotten)
        self._set_transaction(row, values)

    def _set_transaction(self, row: TransactionRow, values: Mapping[str, Any]) -> None:
        table = schema.transactions
        self._connection.execute(update(table).where(table.c.id == row).values(values))

    def _insert(self, statement: Any) -> int:
        result = self._connection.execute(statement)
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])


def encode_detail(detail: Mapping[str, Any]) -> str | None:
    """A step's detail as JSON, bytes as hex; None for an empty one."""
    return json.dumps(detail, default=_as_hex, separators=(",", ":")) if detail else None


def _as_hex(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    raise TypeError(f"found {type(value).__name__}, expected bytes or what JSON has")
