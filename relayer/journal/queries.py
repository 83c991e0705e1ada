# SPDX-License-Identifier: MIT
"""What people ask the journal: a message's story, and what waits and why (INV-10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from relayer.journal.reading import Reading
from relayer.journal.rows import (
    DEFAULT_WAITING,
    LaneRow,
    PendingMessage,
    StoredLane,
    StoredMessage,
    StoredWait,
    Story,
    StoryStep,
    Transition,
    range_mask,
)
from relayer.protocol.delivery import FINAL_STATES, REASONS, DeliveryState, Waiting
from relayer.protocol.message import PAGE_BITS

_PAGES_AT_ONCE = 8


def fold(transitions: Iterable[Transition]) -> dict[DeliveryState, int]:
    """The state of every message of one page, as a mask of bits by state, from its steps in order.

    A final state is never left: a step that would is of a provider's making (a late receipt) and of no account.
    """
    states: dict[DeliveryState, int] = {}
    final = 0
    for each in transitions:
        bits = range_mask(each.first, each.last) & ~final
        if each.mask is not None:
            bits &= each.mask
        for state in states:
            states[state] &= ~bits
        states[each.state] = states.get(each.state, 0) | bits
        if each.state in FINAL_STATES and each.state is not DeliveryState.UNFOUNDED:
            final |= bits
    return {state: mask for state, mask in states.items() if mask}


def waiting_of(state: DeliveryState, own: Waiting | None, lane: Waiting | None) -> Waiting | None:
    """Why a message in this state waits: its own reason, else its lane's where it makes sense, else the state's."""
    if state in FINAL_STATES:
        return None
    if own is not None and own.reason in REASONS[state]:
        return own
    if lane is not None and lane.reason in REASONS[state]:
        return lane
    return DEFAULT_WAITING[state]


def read_story(reading: Reading, message_id: bytes) -> Story | None:
    """Everything that is known of a message; None when the journal does not know it."""
    stored = reading.message(message_id)
    if stored is None:
        return None
    lane = next(each for each in reading.lanes() if each.row == stored.lane)
    page, sequence = stored.message.page, stored.message.sequence
    own_steps = [each for each in reading.transitions(stored.lane, page, page) if each.tells_of(sequence)]
    state = _last_state(own_steps)
    wait = next((each for each in reading.waits(stored.lane) if each.sequence == sequence), None)
    proof = next((each for each in reading.proofs(stored.lane, page, page) if each.last >= sequence), None)
    return Story(
        stored=stored,
        source=lane.source,
        destination=lane.destination,
        steps=tuple(_with_transactions(reading, own_steps)),
        state=state,
        waiting=waiting_of(state, None if wait is None else wait.waiting, lane.waiting),
        proof=proof,
    )


def read_pending(
    reading: Reading, lane: LaneRow | None = None, limit: int = 1_000
) -> tuple[PendingMessage, ...]:
    """Messages that are neither confirmed nor expired, oldest first in each lane, at most `limit` a lane."""
    pending: list[PendingMessage] = []
    for each in reading.lanes():
        if lane is None or each.row == lane:
            pending += _pending_of(reading, each, limit)
    return tuple(pending)


def _pending_of(reading: Reading, lane: StoredLane, limit: int) -> list[PendingMessage]:
    waits = {each.sequence: each for each in reading.waits(lane.row)}
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
        found += _pending_in(lane, stored, steps, waits)
        page = last_page + 1
    return found[:limit]


def _pending_in(
    lane: StoredLane,
    stored: Iterable[StoredMessage],
    steps: dict[int, list[Transition]],
    waits: dict[int, StoredWait],
) -> Iterator[PendingMessage]:
    states = {page: fold(each) for page, each in steps.items()}
    for each in stored:
        sequence, page = each.message.sequence, each.message.page
        bit = 1 << (sequence & 0xFF)
        state = next(
            (state for state, mask in states.get(page, {}).items() if mask & bit), DeliveryState.OBSERVED
        )
        wait = waits.get(sequence)
        waiting = waiting_of(state, None if wait is None else wait.waiting, lane.waiting)
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
            leaf=each.leaf,
            state=state,
            since=since,
            waiting=waiting,
        )


def _last_state(steps: Iterable[Transition]) -> DeliveryState:
    state = DeliveryState.OBSERVED
    for step in steps:
        if state in FINAL_STATES and state is not DeliveryState.UNFOUNDED:
            break
        state = step.state
    return state


def _with_transactions(reading: Reading, steps: list[Transition]) -> Iterator[StoryStep]:
    batches = {batch.row: batch for batch in reading.batches({s.batch for s in steps if s.batch is not None})}
    transactions = {
        each.row: each for each in reading.transactions({b.transaction for b in batches.values()})
    }
    for step in steps:
        tx_hash = None
        if step.batch is not None:
            transaction = transactions[batches[step.batch].transaction]
            tx_hash = transaction.included_hash or transaction.attempts[-1].tx_hash
        yield StoryStep(state=step.state, at=step.at, detail=step.detail, tx_hash=tx_hash)
