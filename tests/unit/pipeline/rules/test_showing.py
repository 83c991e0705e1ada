# SPDX-License-Identifier: MIT
"""What changes in the journal when logs tell anew of blocks that are not final."""

from __future__ import annotations

from dataclasses import replace

from relayer.chains.base import SentMessage
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.showing import MOST_SHOWN, UnfinalizedChange, compare_unfinalized
from relayer.protocol.message import ZERO_HEAD, MessageId
from tests.unit.pipeline.rules.samples import ROW
from tests.unit.pipeline.rules.test_linking import LANE, sent

#: The verified header's block; `told` are sent in later ones.
HEIGHT = 50


def lane(*candidates: SentMessage) -> LaneProgress:
    made = LaneProgress(ROW, LANE, "court", "port", 0, ZERO_HEAD, 0, 0)
    for candidate in candidates:
        made.observe(candidate)
    return made


def told(count: int, *, first: int = 0, block: int = 60) -> list[SentMessage]:
    return sent(count, first=first, block=block)


def show(
    now: list[SentMessage], before: UnfinalizedChange | None, *candidates: SentMessage
) -> UnfinalizedChange:
    return compare_unfinalized(lane(*candidates), now, HEIGHT, None if before is None else before.told)


def sequences(change: UnfinalizedChange) -> tuple[list[int], list[int], list[int], list[int]]:
    return (
        [stored.message.sequence for stored in change.told],
        [stored.message.sequence for stored in change.fresh],
        [stored.message.sequence for stored in change.moved],
        list(change.gone),
    )


def test_what_an_earlier_process_left_is_replaced() -> None:
    first = show(told(2), None)
    assert sequences(first) == ([0, 1], [0, 1], [], [])
    assert first.cut == 0
    # Also where nothing is told any more.
    assert show([], None).cut == 0
    assert show([], None)


def test_what_is_told_again_changes_nothing() -> None:
    first = show(told(2), None)
    assert not show(told(2), first)
    more = show(told(3), first)
    assert (sequences(more), more.cut) == (([0, 1, 2], [2], [], []), None)


def test_what_is_in_another_block_now_is_moved() -> None:
    first = show(told(3), None)
    second = show([*told(1), *told(2, first=1, block=61)], first)
    assert (sequences(second), second.cut) == (([0, 1, 2], [], [1, 2], []), None)


def test_what_is_gone_with_its_block_is_cut_with_all_behind_it() -> None:
    first = show(told(4), None)
    fewer = show(told(1), first)
    assert (sequences(fewer), fewer.cut) == (([0], [], [], [1, 2, 3]), 1)
    other = replace(told(1, first=1)[0], claimed_id=MessageId(b"x" * 32))
    changed = show([*told(1), other], first)
    assert (sequences(changed), changed.cut) == (([0, 1], [1], [], [1, 2, 3]), 1)


def test_what_is_final_by_now_is_shown_no_more_and_is_not_gone() -> None:
    early, late = told(2, block=HEIGHT), told(2, first=2)
    first = show([*told(2), *late], None)
    # The header has passed the first two, whose logs wait to be proven.
    second = show(late, first, *early)
    assert (sequences(second), second.cut) == (([2, 3], [], [], []), None)


def test_what_does_not_follow_on_is_not_shown() -> None:
    assert sequences(show(told(2, first=5), None)) == ([], [], [], [])


def test_only_so_many_are_shown() -> None:
    assert len(show(told(MOST_SHOWN + 5), None).told) == MOST_SHOWN
