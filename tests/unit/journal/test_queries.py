# SPDX-License-Identifier: MIT
"""What people ask the journal: a message's story, and why each message waits (INV-10)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.journal.queries import waiting_of
from relayer.journal.rows import (
    ALL_BITS,
    BatchRow,
    LaneRow,
    Micros,
    Purpose,
    StoredBatch,
    StoredProof,
    StoredWait,
    TransactionState,
    Transition,
    range_mask,
)
from relayer.journal.states import fold
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.protocol.delivery import FINAL_STATES, REASONS, DeliveryState, Waiting, WaitingReason
from tests.support.journal import commit
from tests.unit.journal.samples import NOW, A, add_lane, attempt, messages, step, steps_to

S = DeliveryState


def test_the_story_of_a_message_is_told_by_ranges_that_hold_it(journal: Journal) -> None:
    row = add_lane(journal)
    stored = messages(row, 20)

    def write(writing: Writing) -> None:
        writing.put_messages(stored, NOW)
        writing.add_transitions(
            step(row, 0, 19, state, at=i) for i, state in enumerate((S.OBSERVED, S.VERIFIED, S.PROVEN))
        )
        chain = writing.put_chain(A, "court", scanned_height=0, at=NOW)
        transaction = writing.add_transaction(chain, Purpose.DELIVER, b"k" * 20, 1, attempt(9))
        batch = writing.add_batch(StoredBatch(BatchRow(0), row, 0, 4, 9, 0b1000010000, 50, transaction))
        writing.add_transitions(
            [
                Transition(
                    row,
                    4,
                    9,
                    S.SUBMITTED,
                    Micros(NOW + 3),
                    mask=0b1000010000,
                    batch=batch,
                    detail={"nonce": 1},
                )
            ]
        )
        writing.put_proofs([StoredProof(row, 0, 19, stored[-1].head, 50, 60, b"proof")])

    commit(journal, write)
    story = journal.story(stored[4].leaf)
    assert story is not None
    assert (story.source, story.destination, story.state) == ("court", "port", S.SUBMITTED)
    assert [step.state for step in story.steps] == [S.OBSERVED, S.VERIFIED, S.PROVEN, S.SUBMITTED]
    assert story.steps[-1].tx_hash == attempt(9).tx_hash
    assert story.steps[-1].detail == {"nonce": 1}
    assert story.waiting is not None
    assert story.waiting.reason is WaitingReason.INCLUSION
    assert story.proof is not None
    assert story.proof.height == 50
    assert story.stored == stored[4]
    # Within the range of the batch, but not among its messages.
    other = journal.story(stored[5].leaf)
    assert other is not None
    assert other.state is S.PROVEN
    assert journal.message(stored[5].leaf) == stored[5]
    assert journal.story(b"?" * 32) is None
    assert journal.message(b"?" * 32) is None


@pytest.mark.parametrize(
    ("state", "succeeded", "wasted_gas", "after", "is_told"),
    [
        (S.INCLUDED, True, 0, None, True),
        (S.CONFIRMED, True, 0, TransactionState.SETTLED, True),
        # It reverted, or all of its messages were delivered before: somebody else's did it.
        (S.CONFIRMED, False, 9, TransactionState.SETTLED, False),
        (S.CONFIRMED, True, 9, TransactionState.SETTLED, False),
        (S.CONFIRMED, True, 0, TransactionState.OPEN, False),
        (S.FAILED, True, 0, TransactionState.SETTLED, False),
    ],
)
def test_a_delivered_message_tells_which_transaction_of_ours_did_it(
    journal: Journal,
    state: DeliveryState,
    wasted_gas: int,
    after: TransactionState | None,
    *,
    succeeded: bool,
    is_told: bool,
) -> None:
    row = add_lane(journal)
    stored = messages(row, 1)

    def write(writing: Writing) -> None:
        writing.put_messages(stored, NOW)
        chain = writing.put_chain(A, "court", scanned_height=0, at=NOW)
        transaction = writing.add_transaction(chain, Purpose.DELIVER, b"k" * 20, 1, attempt(9))
        batch = writing.add_batch(StoredBatch(BatchRow(0), row, 0, 0, 0, 1, 50, transaction))
        writing.include_transaction(
            transaction,
            included_hash=b"i" * 32,
            block_number=70,
            block_hash=b"b" * 32,
            succeeded=succeeded,
            gas_used=9,
            fee_wei=9,
            wasted_gas=wasted_gas,
        )
        steps = [
            Transition(row, 0, 0, step_state, NOW, mask=1, batch=batch)
            for step_state in (S.SUBMITTED, S.INCLUDED)
        ]
        writing.add_transitions(steps_to(row, 0, 0, S.PROVEN))
        writing.add_transitions([*steps, *([] if state is S.INCLUDED else [step(row, 0, 0, state)])])
        if after is not None:
            writing.set_transaction_state(transaction, after)

    commit(journal, write)
    story = journal.story(stored[0].leaf)
    assert story is not None
    assert story.state is state
    if not is_told:
        assert story.delivered_by is None
        return
    assert story.delivered_by is not None
    assert (story.delivered_by.included_hash, story.delivered_by.block_number) == (b"i" * 32, 70)


def test_every_pending_message_has_a_reason_of_its_state(journal: Journal) -> None:
    """INV-10: whatever its state, an open message is listed with a reason that makes sense for it."""
    row = add_lane(journal)
    stored = messages(row, 600)
    states = [state for state in S if state not in FINAL_STATES]

    def write(writing: Writing) -> None:
        writing.put_messages(stored, NOW)
        for page in range(3):
            writing.add_transitions([step(row, page * 256, min(599, page * 256 + 255), S.OBSERVED)])
        for number, state in enumerate(states):
            writing.add_transitions(steps_to(row, 300 + number, 300 + number, state))
        writing.add_transitions([step(row, 256, 299, S.CONFIRMED), step(row, 599, 599, S.EXPIRED)])
        writing.settle_lane(row, 10)

    commit(journal, write)
    pending = journal.pending()
    assert [message.sequence for message in pending] == [*range(10, 256), *range(300, 599)]
    assert all(message.waiting.reason in REASONS[message.state] for message in pending)
    by_sequence = {message.sequence: message for message in pending}
    assert [by_sequence[300 + number].state for number in range(len(states))] == states
    assert [message.sequence for message in journal.pending(limit=3)] == [10, 11, 12]
    assert journal.pending(LaneRow(row + 1)) == ()


def test_a_messages_own_reason_goes_before_its_lanes(journal: Journal) -> None:
    row = add_lane(journal)
    paused = Waiting(WaitingReason.PAUSED, "by its guardian")
    refused = Waiting(WaitingReason.RECIPIENT_REVERTS, "Closed()")

    def write(writing: Writing) -> None:
        writing.put_messages(messages(row, 2), NOW)
        writing.add_transitions([*steps_to(row, 0, 0, S.FAILED), *steps_to(row, 1, 1, S.PROVEN)])
        writing.set_reason(row, paused, NOW)
        writing.put_waits([StoredWait(row, 0, refused, NOW, 1, Micros(NOW + 5))])

    commit(journal, write)
    assert [message.waiting for message in journal.pending()] == [refused, paused]
    commit(journal, lambda writing: writing.clear_waits(row, [0]))
    commit(journal, lambda writing: writing.set_reason(row, None, NOW))
    assert [message.waiting.reason for message in journal.pending()] == [
        WaitingReason.RECIPIENT_REVERTS,
        WaitingReason.BATCH,
    ]


def test_a_lane_that_is_held_up_is_told_of_without_a_message(journal: Journal) -> None:
    """INV-10."""
    row = add_lane(journal)
    assert journal.held_lanes() == ()
    down = Waiting(WaitingReason.RPC_TROUBLE, "port is down")
    commit(journal, lambda writing: writing.set_reason(row, down, NOW))
    (held,) = journal.held_lanes()
    assert (held.row, held.waiting, held.waiting_since) == (row, down, NOW)


def test_hearsay_that_was_replaced_is_forgotten_but_its_story_stays(journal: Journal) -> None:
    row = add_lane(journal)
    first, second = messages(row, 3), messages(row, 3, head=b"x" * 32)
    commit(journal, lambda writing: writing.put_messages(first, NOW))
    commit(journal, lambda writing: writing.add_transitions([step(row, 0, 2, S.OBSERVED)]))
    commit(journal, lambda writing: writing.put_messages(second[:1], NOW))
    commit(journal, lambda writing: writing.discard_messages(row, 1))
    with journal.reading() as reading:
        assert reading.messages(row, 0, 9) == (second[0],)
        assert len(reading.transitions(row, 0, 0)) == 1


@pytest.mark.parametrize("state", list(S))
def test_final_states_wait_for_nothing_and_all_others_for_something(state: DeliveryState) -> None:
    """INV-10."""
    for reason in WaitingReason:
        found = waiting_of(state, Waiting(reason, "own"), None)
        if state in FINAL_STATES:
            assert found is None
        else:
            assert found is not None
            assert found.reason in REASONS[state]
            assert (found.detail == "own") == (reason in REASONS[state])


_steps = st.lists(
    st.tuples(
        st.sampled_from(list(S)),
        st.integers(0, 255),
        st.integers(0, 255),
        st.none() | st.integers(0, ALL_BITS),
    ),
    max_size=12,
)


@given(_steps)
def test_folding_a_page_agrees_with_following_each_message(
    steps: list[tuple[S, int, int, int | None]],
) -> None:
    transitions = [
        Transition(LaneRow(1), 512 + min(low, high), 512 + max(low, high), state, NOW, mask=mask)
        for state, low, high, mask in steps
    ]
    folded = fold(transitions)
    for index in range(256):
        expected = None
        for transition in transitions:
            done = expected in FINAL_STATES and expected is not S.UNFOUNDED
            if transition.tells_of(512 + index) and not done:
                expected = transition.state
        found = [state for state, mask in folded.items() if mask >> index & 1]
        assert found == ([] if expected is None else [expected])


def test_a_range_is_its_bits() -> None:
    assert range_mask(512, 512) == 1
    assert range_mask(514, 515) == 0b1100
    assert range_mask(256, 511) == ALL_BITS
