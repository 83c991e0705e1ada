# SPDX-License-Identifier: MIT
"""The table of states: closed, without dead ends, and with a reason for every wait (INV-10)."""

from __future__ import annotations

import itertools

import pytest

from relayer.errors import IllegalTransition
from relayer.protocol.delivery import (
    FINAL_STATES,
    REASONS,
    TRANSITIONS,
    DeliveryState,
    Waiting,
    WaitingReason,
    is_legal,
    is_told_again,
    validate_start,
    validate_transition,
)

S = DeliveryState
ROAD = (S.OBSERVED, S.VERIFIED, S.PROVEN, S.SUBMITTED, S.INCLUDED, S.CONFIRMED)


def test_the_road_is_legal_step_by_step() -> None:
    for current, target in itertools.pairwise(ROAD):
        validate_transition(current, target)


def test_no_step_of_the_road_before_submission_can_be_left_out() -> None:
    """INV-5: nothing unproven is submitted."""
    assert not is_legal(S.OBSERVED, S.PROVEN)
    assert not is_legal(S.OBSERVED, S.SUBMITTED)
    assert not is_legal(S.VERIFIED, S.SUBMITTED)
    assert {state for state in S if is_legal(state, S.SUBMITTED)} == {S.PROVEN, S.INCLUDED, S.FAILED}
    assert {state for state in S if is_legal(state, S.PROVEN)} == {
        S.VERIFIED,
        S.SUBMITTED,
        S.INCLUDED,
        S.FAILED,
    }


def test_every_state_is_in_the_table_and_reached() -> None:
    assert set(TRANSITIONS) == set(S)
    reached = {S.OBSERVED}.union(*TRANSITIONS.values())
    assert reached == set(S)


def test_final_states_are_final() -> None:
    assert {S.CONFIRMED, S.EXPIRED, S.UNFOUNDED} == FINAL_STATES


def test_every_open_state_leads_to_an_end() -> None:
    for start in S:
        found, waiting = {start}, [start]
        while waiting:
            for target in TRANSITIONS[waiting.pop()] - found:
                found.add(target)
                waiting.append(target)
        assert found & FINAL_STATES


def test_executed_and_expired_exclude_each_other() -> None:
    """INV-3: one clock decides; nothing leads from one to the other."""
    assert not is_legal(S.CONFIRMED, S.EXPIRED)
    assert not is_legal(S.EXPIRED, S.CONFIRMED)


def test_whatever_waits_has_a_reason() -> None:
    """INV-10: every open state has reasons, every reason has a state."""
    assert set(REASONS) == set(S) - FINAL_STATES
    assert all(REASONS.values())
    assert frozenset().union(*REASONS.values()) == frozenset(WaitingReason)


def test_an_illegal_step_says_what_would_be_legal() -> None:
    with pytest.raises(IllegalTransition, match=r"from confirmed to observed.*final"):
        validate_transition(S.CONFIRMED, S.OBSERVED)
    with pytest.raises(IllegalTransition, match=r"one of:.*verified"):
        validate_transition(S.OBSERVED, S.SUBMITTED)


def test_a_story_begins_with_what_logs_tell() -> None:
    """INV-5."""
    validate_start(S.OBSERVED)
    for state in set(S) - {S.OBSERVED}:
        with pytest.raises(IllegalTransition, match=rf"begins as {state.value}.*observed"):
            validate_start(state)


def test_a_repeated_step_is_none_but_for_transactions() -> None:
    """INV-6: signed twice is never the same step told again."""
    assert {state for state in S if is_told_again(state, state)} == set(S) - {S.SUBMITTED, S.INCLUDED}
    assert not any(is_told_again(*pair) for pair in itertools.permutations(S, 2))
    assert not is_legal(S.SUBMITTED, S.SUBMITTED)
    assert is_legal(S.INCLUDED, S.INCLUDED)


def test_a_wait_reads_as_one_line() -> None:
    assert str(Waiting(WaitingReason.FINALITY, "3 of 12 blocks")) == "finality: 3 of 12 blocks"
    assert str(Waiting(WaitingReason.TURN)) == "turn"
