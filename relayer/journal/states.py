# SPDX-License-Identifier: MIT
"""The states of the messages of a page, by which the journal decides what step may follow.

The table is relayer.protocol.delivery.TRANSITIONS. What it does not list is not written. The states of the
pages that steps were added to last are kept in memory, since only one process writes; others are read once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from relayer.journal.rows import ALL_BITS, LaneRow, Transition
from relayer.protocol.delivery import (
    FINAL_STATES,
    DeliveryState,
    is_told_again,
    validate_start,
    validate_transition,
)

#: The messages of one page, as bits, by the state that they are in.
States = Mapping[DeliveryState, int]
Page = tuple[LaneRow, int]

#: The most pages whose states are kept in memory. One takes about a kilobyte.
_MOST_PAGES: Final = 1_024
#: Nothing follows these. After a message that was unfounded, the true one takes its sequence, and its steps
#: follow.
_ENDS: Final = FINAL_STATES - {DeliveryState.UNFOUNDED}


def fold(transitions: Iterable[Transition]) -> dict[DeliveryState, int]:
    """Return the state of every message of one page, as a mask of bits by state, from its steps in order.

    A final state is never left. Journals of earlier versions have later steps of providers (a late receipt),
    which do not count.
    """
    states: dict[DeliveryState, int] = {}
    final = 0
    for step in transitions:
        bits = step.bits & ~final
        _move(states, bits, step.state)
        if step.state in _ENDS:
            final |= bits
    return {state: mask for state, mask in states.items() if mask}


def advance(states: dict[DeliveryState, int], step: Transition) -> int:
    """Move the messages of a step to its state, and return them as bits.

    Messages that are in the state already are left out, and so are final ones where the step tells only of
    open ones.

    Raises:
        IllegalTransition: the table does not lead there; `states` are as before.
    """
    bits = step.bits
    unknown = bits
    for state, mask in states.items():
        here = bits & mask
        if is_told_again(state, step.state) or (step.open_only and state in _ENDS):
            bits &= ~here
            unknown &= ~here
        # After a message that was unfounded, the true one begins.
        elif here and state is not DeliveryState.UNFOUNDED:
            unknown &= ~here
            validate_transition(state, step.state)
    if unknown:
        validate_start(step.state)
    _move(states, bits, step.state)
    return bits


def _move(states: dict[DeliveryState, int], bits: int, target: DeliveryState) -> None:
    for state in states:
        states[state] &= ~bits
    states[target] = states.get(target, 0) | bits


class StateCache:
    """The states of pages, as they are on disk."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Page, States] = OrderedDict()

    def get(self, page: Page, read: Callable[[], Iterable[Transition]]) -> States:
        """Return a page's states; `read` gives its steps where they are not in memory."""
        known = self._pages.get(page)
        if known is None:
            return fold(read())
        self._pages.move_to_end(page)
        return known

    def take(self, pages: Mapping[Page, States]) -> None:
        """Take over what a commit has written."""
        for page, states in pages.items():
            if sum(states.get(state, 0) for state in _ENDS) == ALL_BITS:
                # Nothing follows, so nobody asks again.
                self._pages.pop(page, None)
                continue
            self._pages[page] = states
            self._pages.move_to_end(page)
        while len(self._pages) > _MOST_PAGES:
            self._pages.popitem(last=False)
