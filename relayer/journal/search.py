# SPDX-License-Identifier: MIT
"""Messages by what people know of them, the newest first, a bounded piece at a time.

What a column tells is found by an index. State and reason stand in no column: they follow from the steps of a
message's page, so a search for them folds page after page, and a piece ends when enough messages were looked
at, be it without one that was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, tuple_

from relayer.journal import schema
from relayer.journal.queries import find_carried, waiting_of
from relayer.journal.reading import Reading
from relayer.journal.rows import LaneRow, Micros, StoredLane, StoredWait, TransactionRow
from relayer.journal.states import fold
from relayer.protocol.delivery import FINAL_STATES, DeliveryState, Waiting, WaitingReason
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE

#: Keys of one statement where states decide, and the most that one piece of a search looks at.
_CHUNK: Final = 4_096
MOST_EXAMINED: Final = 65_536
#: Databases bound the variables of a statement.
_MANY: Final = 500


class Position(NamedTuple):
    """A message's place in the order of searches, which is descending."""

    observed_at: Micros
    lane: LaneRow
    sequence: int


@dataclass(frozen=True, slots=True)
class MessageSearch:
    """What is looked for. None stands for any.

    Attributes:
        message_id: 32 bytes.
        tx_hash: of the transaction that sent it on its source, or of one of ours that delivers it.
        sender: left-padded to 32 bytes.
        recipient: likewise.
        lane_id: 32 bytes.
        state: where it stands.
        reason: what it waits for.
        since: the first moment at which the journal may have had it.
        until: the moment from which on it may not.
    """

    message_id: bytes | None = None
    tx_hash: bytes | None = None
    sender: bytes | None = None
    recipient: bytes | None = None
    lane_id: bytes | None = None
    state: DeliveryState | None = None
    reason: WaitingReason | None = None
    since: Micros | None = None
    until: Micros | None = None

    @property
    def asks_for_state(self) -> bool:
        """Whether columns alone do not decide."""
        return self.state is not None or self.reason is not None


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """A message without its payload, and where it stands. Addresses are left-padded to 32 bytes."""

    message_id: bytes
    source: str
    destination: str
    lane_id: bytes
    sequence: int
    sender: bytes
    recipient: bytes
    payload_bytes: int
    gas_limit: int
    deadline: int
    tx_hash: bytes
    block_number: int
    observed_at: Micros
    state: DeliveryState
    waiting: Waiting | None


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A piece of what a search finds. `next` is where it goes on; None at the end."""

    found: tuple[FoundMessage, ...]
    next: Position | None


def search_messages(
    reading: Reading,
    search: MessageSearch,
    limit: int,
    after: Position | None = None,
    most_examined: int = MOST_EXAMINED,
) -> FoundPage:
    """Return at most `limit` messages, the newest first, from behind `after` on.

    It can be fewer, even none, before the end: `most_examined` messages are looked at (rounded up to whole
    statements).
    """
    lanes = {lane.row: lane for lane in reading.lanes()}
    where = _conditions(reading, search, lanes.values())
    standings = _Standings(reading, lanes)
    step = _CHUNK if search.asks_for_state else limit + 1
    kept: list[tuple[Position, DeliveryState, Waiting | None]] = []
    examined = 0
    while True:
        keys = [
            Position(Micros(row.observed_at), LaneRow(row.lane), row.sequence)
            for row in reading.run(keys_statement(where, after, step))
        ]
        for key in keys:
            if len(kept) == limit:
                return FoundPage(_describe(reading, lanes, kept), after)
            after = key
            standing = standings.find(key, search)
            if standing is not None:
                kept.append((key, *standing))
        examined += len(keys)
        if len(keys) < step:
            return FoundPage(_describe(reading, lanes, kept), None)
        if examined >= most_examined:
            return FoundPage(_describe(reading, lanes, kept), after)


def keys_statement(
    where: Iterable[ColumnElement[bool]], after: Position | None, limit: int
) -> Select[tuple[int, int, int]]:
    """Return the statement for the places of messages: one index finds them and has them in order."""
    columns = schema.messages.c
    order = columns.observed_at, columns.lane, columns.sequence
    statement = select(*order).where(*where).order_by(*(column.desc() for column in order)).limit(limit)
    if after is None:
        return statement
    # The first of the two is implied, and lets an index start there whatever columns it begins with.
    return statement.where(columns.observed_at <= after.observed_at, tuple_(*order) < tuple_(*after))


def _conditions(
    reading: Reading, search: MessageSearch, lanes: Iterable[StoredLane]
) -> list[ColumnElement[bool]]:
    columns = schema.messages.c
    where: list[ColumnElement[bool]] = []
    for column, wanted in (
        (columns.leaf, search.message_id),
        (columns.sender, search.sender),
        (columns.recipient, search.recipient),
    ):
        if wanted is not None:
            where.append(column == wanted)
    if search.lane_id is not None:
        row = next((lane.row for lane in lanes if lane.lane.id == search.lane_id), LaneRow(0))
        where.append(columns.lane == row)
    if search.since is not None:
        where.append(columns.observed_at >= search.since)
    if search.until is not None:
        where.append(columns.observed_at < search.until)
    if search.tx_hash is not None:
        where.append(_of_transaction(reading, search.tx_hash))
    return where


def _of_transaction(reading: Reading, tx_hash: bytes) -> ColumnElement[bool]:
    """Of one that delivers, the messages of its batches; else those that it sent."""
    columns = schema.messages.c
    attempts = schema.attempts.c
    ours = reading.run(select(attempts.transaction).where(attempts.tx_hash == tx_hash))
    batches = reading.batches_of(TransactionRow(row.transaction) for row in ours)
    if not batches:
        return columns.tx_hash == tx_hash
    return or_(
        *(
            and_(columns.lane == batch.lane, columns.sequence.in_(_sequences(batch.page, batch.mask)))
            for batch in batches
        )
    )


def _sequences(page: int, mask: int) -> list[int]:
    return [(page << PAGE_BITS) + bit for bit in range(PAGE_SIZE) if mask >> bit & 1]


class _Standings:
    """Where messages stand, by what was read of their pages once."""

    def __init__(self, reading: Reading, lanes: dict[LaneRow, StoredLane]) -> None:
        self._reading = reading
        self._lanes = lanes
        self._pages: dict[tuple[LaneRow, int], _PageStanding] = {}

    def find(self, key: Position, search: MessageSearch) -> tuple[DeliveryState, Waiting | None] | None:
        """Return a message's state and reason; None where they are not looked for."""
        lane = self._lanes[key.lane]
        wants_open = search.reason is not None or search.state not in {None, *FINAL_STATES}
        if wants_open and key.sequence < lane.settled:
            return None
        number = key.sequence >> PAGE_BITS
        page = self._pages.get((key.lane, number))
        if page is None:
            page = self._pages[key.lane, number] = _PageStanding(self._reading, lane, number)
        state = page.state_of(key.sequence)
        if search.state not in {None, state}:
            return None
        waiting = page.waiting_of(key.sequence, state)
        if search.reason is not None and (waiting is None or waiting.reason is not search.reason):
            return None
        return state, waiting


class _PageStanding:
    def __init__(self, reading: Reading, lane: StoredLane, page: int) -> None:
        self._lane = lane
        self._page = page
        self._reading = reading
        self._states = fold(reading.transitions(lane.row, page, page))
        self._waits: dict[int, StoredWait] | None = None

    def state_of(self, sequence: int) -> DeliveryState:
        bit = 1 << (sequence & 0xFF)
        return next((state for state, mask in self._states.items() if mask & bit), DeliveryState.OBSERVED)

    def waiting_of(self, sequence: int, state: DeliveryState) -> Waiting | None:
        if state in FINAL_STATES:
            return None
        if self._waits is None:
            first = self._page << PAGE_BITS
            waits = self._reading.waits(self._lane.row, first, first + PAGE_SIZE - 1)
            self._waits = {wait.sequence: wait for wait in waits}
            self._carried = self._reading.carried_waits(self._lane.row, self._page, self._page)
        own = None if sequence not in self._waits else self._waits[sequence].waiting
        if state is DeliveryState.SUBMITTED:
            own = find_carried(self._carried, self._page, sequence) or own
        return waiting_of(state, own, self._lane.waiting)


def _describe(
    reading: Reading,
    lanes: dict[LaneRow, StoredLane],
    kept: Sequence[tuple[Position, DeliveryState, Waiting | None]],
) -> tuple[FoundMessage, ...]:
    wanted: dict[LaneRow, list[int]] = {}
    for key, _, _ in kept:
        wanted.setdefault(key.lane, []).append(key.sequence)
    rows = {
        (row.lane, row.sequence): row
        for lane, sequences in wanted.items()
        for row in _rows(reading, lane, sequences)
    }
    return tuple(
        _found(rows[key.lane, key.sequence], lanes[key.lane], key, state, waiting)
        for key, state, waiting in kept
    )


def _rows(reading: Reading, lane: LaneRow, sequences: Sequence[int]) -> Iterable[Row[Any]]:
    table = schema.messages
    columns = [column for column in table.columns if column is not table.c.payload]
    size = func.length(table.c.payload).label("payload_bytes")
    for start in range(0, len(sequences), _MANY):
        some = table.c.sequence.in_(sequences[start : start + _MANY])
        yield from reading.run(select(*columns, size).where(table.c.lane == lane, some))


def _found(
    row: Row[Any], lane: StoredLane, key: Position, state: DeliveryState, waiting: Waiting | None
) -> FoundMessage:
    return FoundMessage(
        message_id=row.leaf,
        source=lane.source,
        destination=lane.destination,
        lane_id=lane.lane.id,
        sequence=row.sequence,
        sender=row.sender,
        recipient=row.recipient,
        payload_bytes=row.payload_bytes,
        gas_limit=int(row.gas_limit),
        deadline=int(row.deadline),
        tx_hash=row.tx_hash,
        block_number=row.block_number,
        observed_at=key.observed_at,
        state=state,
        waiting=waiting,
    )
