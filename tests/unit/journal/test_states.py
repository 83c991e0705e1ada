# SPDX-License-Identifier: MIT
"""The table of a delivery's states decides what the journal writes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.errors import IllegalTransition
from relayer.journal import states as journal_states
from relayer.journal.rows import BatchRow, LaneRow, Transition, range_mask
from relayer.journal.states import StateCache, advance, fold
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.protocol.delivery import FINAL_STATES, TRANSITIONS, DeliveryState
from tests.support.journal import commit
from tests.unit.journal.samples import add_lane, step, steps_to

S = DeliveryState
ENDS = FINAL_STATES - {S.UNFOUNDED}


def written(journal: Journal, row: LaneRow, page: int = 0) -> tuple[Transition, ...]:
    with journal.reading() as reading:
        return reading.transitions(row, page, page)


@pytest.mark.parametrize("is_cached", [True, False], ids=["in memory", "read again"])
@pytest.mark.parametrize("current", list(S))
def test_the_table_decides_for_every_pair(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, current: DeliveryState, is_cached: bool
) -> None:
    if not is_cached:
        monkeypatch.setattr(journal_states, "_MOST_PAGES", 0)
    row = add_lane(journal)
    for page, target in enumerate(S):
        first = page << 8
        before = steps_to(row, first, first, current)
        commit(journal, lambda writing, before=before: writing.add_transitions(before))  # type: ignore[misc]
        target_step = step(row, first, first, target)
        # In one piece of work: what is refused takes the rest of the piece along.
        piece = [step(row, first + 1, first + 1, S.OBSERVED), target_step]
        follows = target in TRANSITIONS[current] or (current is S.UNFOUNDED and target is S.OBSERVED)
        repeats = target is current and current not in {S.SUBMITTED, S.INCLUDED}
        if follows:
            commit(journal, lambda writing, piece=piece: writing.add_transitions(piece))  # type: ignore[misc]
            assert written(journal, row, page) == (*before, *piece)
        elif repeats:
            commit(journal, lambda writing, piece=piece: writing.add_transitions(piece))  # type: ignore[misc]
            assert written(journal, row, page) == (*before, piece[0])
        else:
            with pytest.raises(IllegalTransition):
                commit(journal, lambda writing, piece=piece: writing.add_transitions(piece))  # type: ignore[misc]
            assert written(journal, row, page) == tuple(before)
            late = replace(target_step, open_only=True)
            if current in ENDS:
                # What tells only of open messages says nothing of this one any more.
                commit(journal, lambda writing, late=late: writing.add_transitions([late]))  # type: ignore[misc]
                assert written(journal, row, page) == tuple(before)


@pytest.mark.parametrize("target", [state for state in S if state is not S.OBSERVED])
def test_a_story_begins_with_what_logs_tell(journal: Journal, target: DeliveryState) -> None:
    """INV-5: nothing that was never observed is proven, submitted or confirmed."""
    row = add_lane(journal)
    commit(journal, lambda writing: writing.add_transitions([step(row, 0, 3, S.OBSERVED)]))
    with pytest.raises(IllegalTransition, match=f"begins as {target.value}"):
        commit(journal, lambda writing: writing.add_transitions([step(row, 4, 5, target)]))
    assert len(written(journal, row)) == 1


def test_a_late_step_of_a_batch_tells_of_its_open_messages_alone(journal: Journal) -> None:
    """INV-2: somebody else may have delivered some of them."""
    row = add_lane(journal)
    included = Transition(
        row, 2, 9, S.INCLUDED, step(row, 0, 0, S.OBSERVED).at, mask=0b11_0000_1100, open_only=True
    )

    def write(writing: Writing) -> None:
        writing.add_transitions(steps_to(row, 0, 9, S.SUBMITTED))
        writing.add_transitions([step(row, 0, 2, S.CONFIRMED)])
        writing.add_transitions([included])

    commit(journal, write)
    last = written(journal, row)[-1]
    assert (last.state, last.first, last.last, last.mask) == (S.INCLUDED, 2, 9, 0b11_0000_1000)
    states = fold(written(journal, row))
    assert states == {S.CONFIRMED: 0b111, S.INCLUDED: 0b11_0000_1000, S.SUBMITTED: 0b1111_0000}
    before = len(written(journal, row))
    final = replace(included, mask=0b100)
    commit(journal, lambda writing: writing.add_transitions([final]))
    assert len(written(journal, row)) == before


def test_what_was_rolled_back_has_moved_nothing(journal: Journal) -> None:
    row = add_lane(journal)

    def fail(writing: Writing) -> None:
        writing.add_transitions(steps_to(row, 0, 0, S.CONFIRMED))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        commit(journal, fail)
    commit(journal, lambda writing: writing.add_transitions(steps_to(row, 0, 0, S.SUBMITTED)))
    assert fold(written(journal, row)) == {S.SUBMITTED: 1}


def test_a_message_is_signed_for_once(journal: Journal) -> None:
    """INV-6: a second signature needs the first one to be out of the way."""
    row = add_lane(journal)
    signed = step(row, 0, 0, S.SUBMITTED)
    commit(journal, lambda writing: writing.add_transitions(steps_to(row, 0, 0, S.SUBMITTED)))
    with pytest.raises(IllegalTransition, match="from submitted to submitted"):
        commit(journal, lambda writing: writing.add_transitions([replace(signed, batch=BatchRow(2))]))
    commit(journal, lambda writing: writing.add_transitions([step(row, 0, 0, S.PROVEN), signed]))
    assert fold(written(journal, row)) == {S.SUBMITTED: 1}


STEPS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.sampled_from(S), st.booleans()), max_size=40
)


@given(STEPS)
def test_what_is_kept_in_memory_is_what_the_journal_tells(
    told: list[tuple[int, int, DeliveryState, bool]],
) -> None:
    """By steps of which the table refuses many, every message is in one state, and the steps tell it."""
    states: dict[DeliveryState, int] = {}
    kept: list[Transition] = []
    for low, high, state, open_only in told:
        tried = replace(step(LaneRow(1), min(low, high), max(low, high), state), open_only=open_only)
        before = dict(states)
        try:
            bits = advance(states, tried)
        except IllegalTransition:
            assert states == before
            continue
        assert bits & ~range_mask(tried.first, tried.last) == 0
        if bits:
            kept.append(replace(tried, mask=bits))
    assert {state: mask for state, mask in states.items() if mask} == fold(kept)
    masks = [mask for mask in states.values() if mask]
    assert sum(mask.bit_count() for mask in masks) == sum(masks).bit_count()


def test_pages_that_are_over_leave_memory_and_others_stay_up_to_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_states, "_MOST_PAGES", 2)
    cache = StateCache()
    reads: list[int] = []

    def read_steps(page: int) -> tuple[Transition, ...]:
        reads.append(page)
        return ()

    def read(page: int) -> dict[DeliveryState, int]:
        return dict(cache.get((LaneRow(1), page), lambda: read_steps(page)))

    full = (1 << 256) - 1
    cache.take({(LaneRow(1), 0): {S.CONFIRMED: full ^ 1, S.EXPIRED: 1}})
    cache.take({(LaneRow(1), page): {S.PROVEN: 1} for page in (1, 2)})
    assert (read(1), read(2), reads) == ({S.PROVEN: 1}, {S.PROVEN: 1}, [])
    assert (read(0), reads) == ({}, [0])
    cache.take({(LaneRow(1), 3): {S.PROVEN: 1}})
    assert (read(2), read(1), reads) == ({S.PROVEN: 1}, {}, [0, 1])
