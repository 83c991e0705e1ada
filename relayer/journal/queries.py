# SPDX-License-Identifier: MIT
"""What people ask the journal: a message's story, and what waits and why (INV-10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from relayer.journal.reading import Reading
from relayer.journal.rows import (
    DEFAULT_WAITING,
    BatchRow,
    LaneRow,
    PendingMessage,
    StoredLane,
    StoredMessage,
    StoredStep,
    StoredStory,
    StoredTransaction,
    TransactionState,
    Transition,
)
from relayer.journal.states import fold
from relayer.protocol.delivery import FINAL_STATES, REASONS, DeliveryState, Waiting
from relayer.protocol.message import PAGE_BITS

#: Pages of one statement: for the first messages of a long backlog, not all of it is read.
_PAGES_AT_ONCE: Final = 8
_DELIVERED: Final = frozenset({DeliveryState.INCLUDED, DeliveryState.CONFIRMED})
_LANDED: Final = frozenset({TransactionState.INCLUDED, TransactionState.SETTLED})


#: A page, messages as bits of it, and why the transaction waits that carries them.
CarriedWait = tuple[int, int, Waiting]


def waiting_of(state: DeliveryState, own: Waiting | None, lane: Waiting | None) -> Waiting | None:
    """Return what a message in this state waits for.

    Its own reason goes before its lane's, and that before the state's, where they make sense in the state.
    """
    if state in FINAL_STATES:
        return None
    if own is not None and own.reason in REASONS[state]:
        return own
    if lane is not None and lane.reason in REASONS[state]:
        return lane
    return DEFAULT_WAITING[state]


def find_carried(carried: Iterable[CarriedWait], page: int, sequence: int) -> Waiting | None:
    """Return why the transaction waits that carries a message; None where none says."""
    bit = 1 << (sequence & 0xFF)
    return next((waiting for place, mask, waiting in carried if place == page and mask & bit), None)


def read_story(reading: Reading, message_id: bytes) -> StoredStory | None:
    """Everything that is known of a message; None when the journal does not know it."""
    stored = reading.message(message_id)
    if stored is None:
        return None
    lane = next(known for known in reading.lanes() if known.row == stored.lane)
    page, sequence = stored.message.page, stored.message.sequence
    own_steps = [step for step in reading.transitions(stored.lane, page, page) if step.tells_of(sequence)]
    state = _last_state(own_steps)
    transactions = _read_transactions(reading, own_steps)
    wait = next((known.waiting for known in reading.waits(stored.lane, sequence, sequence)), None)
    if state is DeliveryState.SUBMITTED:
        wait = find_carried(reading.carried_waits(stored.lane, page, page), page, sequence) or wait
    proof = next((known for known in reading.proofs(stored.lane, page, page) if known.last >= sequence), None)
    return StoredStory(
        stored=stored,
        source=lane.source,
        destination=lane.destination,
        steps=tuple(_with_transactions(own_steps, transactions)),
        state=state,
        waiting=waiting_of(state, wait, lane.waiting),
        proof=proof,
        delivered_by=_delivered_by(own_steps, transactions) if state in _DELIVERED else None,
    )


def read_steps_after(
    reading: Reading, number: int, limit: int
) -> tuple[tuple[int, Transition, bytes | None], ...]:
    """The first steps of all lanes behind the one with this number.

    Each has its number, and the hash of the transaction that made it where one did.
    """
    found = reading.transitions_after(number, limit)
    transactions = _read_transactions(reading, (step for _, step in found))
    return tuple((row, step, _hash_of(step, transactions)) for row, step in found)


def read_pending(
    reading: Reading, lane: LaneRow | None = None, limit: int = 1_000
) -> tuple[PendingMessage, ...]:
    """Messages that are neither confirmed nor expired, oldest first in each lane, at most `limit` a lane."""
    pending: list[PendingMessage] = []
    for stored in reading.lanes():
        if lane is None or stored.row == lane:
            pending += _pending_of(reading, stored, limit)
    return tuple(pending)


def _pending_of(reading: Reading, lane: StoredLane, limit: int) -> list[PendingMessage]:
    waits = {wait.sequence: wait.waiting for wait in reading.waits(lane.row)}
    carried = reading.carried_waits(lane.row)
    found: list[PendingMessage] = []
    page = lane.settled >> PAGE_BITS
    while len(found) < limit:
        last_page = page + _PAGES_AT_ONCE - 1
        first = max(page << PAGE_BITS, lane.settled)
        stored = reading.messages(lane.row, first, ((last_page + 1) << PAGE_BITS) - 1)
        if not stored:
            break
        steps: dict[int, list[Transition]] = {}
        for step in reading.transitions(lane.row, page, last_page):
            steps.setdefault(step.page, []).append(step)
        found += _pending_in(lane, stored, steps, waits, carried)
        page = last_page + 1
    return found[:limit]


def _pending_in(
    lane: StoredLane,
    stored: Iterable[StoredMessage],
    steps: dict[int, list[Transition]],
    waits: dict[int, Waiting],
    carried: Iterable[CarriedWait],
) -> Iterator[PendingMessage]:
    states = {page: fold(taken) for page, taken in steps.items()}
    for known in stored:
        sequence, page = known.message.sequence, known.message.page
        bit = 1 << (sequence & 0xFF)
        state = next(
            (state for state, mask in states.get(page, {}).items() if mask & bit), DeliveryState.OBSERVED
        )
        wait = waits.get(sequence)
        if state is DeliveryState.SUBMITTED:
            wait = find_carried(carried, page, sequence) or wait
        waiting = waiting_of(state, wait, lane.waiting)
        if waiting is None:
            continue
        since = max(
            (step.at for step in steps.get(page, ()) if step.tells_of(sequence)), default=lane.waiting_since
        )
        yield PendingMessage(
            lane=lane.row,
            source=lane.source,
            destination=lane.destination,
            sequence=sequence,
            leaf=known.leaf,
            state=state,
            since=since,
            waiting=waiting,
        )


def _last_state(steps: Iterable[Transition]) -> DeliveryState:
    state = DeliveryState.OBSERVED
    for step in steps:
        # As in `fold`: another message may have taken the sequence.
        if state in FINAL_STATES and state is not DeliveryState.UNFOUNDED:
            break
        state = step.state
    return state


def _read_transactions(reading: Reading, steps: Iterable[Transition]) -> dict[BatchRow, StoredTransaction]:
    """The transactions that carried a message, by the batch that its steps name."""
    batches = reading.batches({step.batch for step in steps if step.batch is not None})
    transactions = {
        transaction.row: transaction
        for transaction in reading.transactions({batch.transaction for batch in batches})
    }
    return {batch.row: transactions[batch.transaction] for batch in batches}


def _with_transactions(
    steps: Iterable[Transition], transactions: dict[BatchRow, StoredTransaction]
) -> Iterator[StoredStep]:
    for step in steps:
        tx_hash = _hash_of(step, transactions)
        yield StoredStep(state=step.state, at=step.at, detail=step.detail, tx_hash=tx_hash)


def _hash_of(step: Transition, transactions: dict[BatchRow, StoredTransaction]) -> bytes | None:
    """The hash in the block, else the newest, of the transaction that made a step; None where none did."""
    if step.batch is None:
        return None
    transaction = transactions[step.batch]
    return transaction.included_hash or transaction.attempts[-1].tx_hash


def _delivered_by(
    steps: list[Transition], transactions: dict[BatchRow, StoredTransaction]
) -> StoredTransaction | None:
    """The last transaction that a provider showed as a success; earlier ones left the message open."""
    carried = [transactions[step.batch] for step in steps if step.batch is not None]
    landed = (
        transaction
        for transaction in reversed(carried)
        if transaction.succeeded and not transaction.wasted_gas and transaction.state in _LANDED
    )
    return next(landed, None)
