# SPDX-License-Identifier: MIT
"""When beacon nodes are asked for updates and for finality: a table of rounds, with no event loop."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from light_clients.client import Height
from light_clients.ethereum.config import Period, Slot
from relayer.chains.base import Head
from relayer.consensus.ethereum.schedule import (
    MOST_UPDATES,
    FinalityRequest,
    Schedule,
    UpdatesRequest,
    describe_finality_wait,
)
from tests.support.ethereum import PERIOD, SPE
from tests.support.ethereum_followed import NETWORK, at

#: Replies to a request for updates: nodes have none that leads on. A number is the period that they led to.
NONE = "none"
#: Replies to a request for finality: it was signed by an unknown committee; or else.
UNKNOWN, ANSWERED = "unknown committee", "answered"


@dataclass(frozen=True)
class Round:
    """A round at a slot, and what it asks, with the replies: `(first period, number of periods, reply)` or
    one for finality.
    """

    slot: float
    asks: tuple[tuple[int, int, int | str] | str, ...]
    head: int | None = 1
    wanted: bool = True
    needed: bool = False


CASES: dict[str, tuple[int, list[Round]]] = {
    "nothing is asked where nobody waits": (1, [Round(9, (), wanted=False)]),
    "finality is asked where it is needed, though nobody waits": (
        1,
        [Round(9, (ANSWERED,), wanted=False, needed=True)],
    ),
    "finality is asked once a slot": (
        1,
        [Round(9, (ANSWERED,)), Round(9.9, ()), Round(10, (ANSWERED,)), Round(10.9, (), needed=True)],
    ),
    "a newer head is asked for within the slot": (
        1,
        [Round(9, (ANSWERED,), 5), Round(9.5, (ANSWERED,), 6), Round(9.7, (), 6), Round(9.8, (), 5)],
    ),
    "without a head the slot alone counts": (
        1,
        [Round(9, (ANSWERED,), 5), Round(9.5, (), None), Round(9.6, (), 5), Round(10, (ANSWERED,), None)],
    ),
    "a clock that was set back ends every pause": (
        0,
        [Round(9, ((0, 1, NONE), ANSWERED)), Round(8, ((0, 1, NONE), ANSWERED)), Round(8.9, ())],
    ),
    "the next committee is asked for once an epoch": (
        0,
        [
            Round(1, ((0, 1, NONE),), wanted=False),
            Round(SPE, (), wanted=False),
            Round(SPE + 1, ((0, 1, NONE),), wanted=False),
            Round(2 * SPE + 1, ((0, 1, 1),), wanted=False),
            Round(3 * SPE + 1, (), wanted=False),
            Round(PERIOD, ((1, 1, NONE),), wanted=False),
        ],
    ),
    "the current committee is asked for once a slot": (
        0,
        [
            Round(PERIOD, ((0, 2, NONE),), wanted=False),
            Round(PERIOD + 0.9, (), wanted=False),
            Round(PERIOD + 1, ((0, 2, 1), (1, 1, NONE)), wanted=False),
            Round(PERIOD + 2, (), wanted=False),
            Round(PERIOD + 1 + SPE, ((1, 1, 2),), wanted=False),
        ],
    ),
    "while answers lead on, the next one is asked for without a pause": (
        0,
        [Round(3 * PERIOD, ((0, 4, 1), (1, 3, 3), (3, 1, 4), ANSWERED))],
    ),
    "so many periods are asked for at once as nodes give": (
        0,
        [
            Round(
                300 * PERIOD, ((0, MOST_UPDATES, 128), (128, MOST_UPDATES, 256), (256, 45, 301)), wanted=False
            )
        ],
    ),
    "where the clock says that committees are known, none is asked for": (2, [Round(PERIOD, (ANSWERED,))]),
    "an unknown committee has updates and finality asked for again": (
        0,
        [
            Round(1, ((0, 1, NONE), ANSWERED)),
            Round(2, (UNKNOWN, (0, 1, 1), ANSWERED)),
            Round(2.5, ()),
        ],
    ),
    "an unknown committee is followed once a round": (
        0,
        [
            Round(1, ((0, 1, NONE), UNKNOWN, (0, 1, NONE), UNKNOWN)),
            Round(1.9, ()),
            Round(2, (UNKNOWN, (0, 1, NONE), UNKNOWN)),
            Round(3, (ANSWERED,)),
        ],
    ),
    "a chain that is ahead of a slow clock is asked again though the clock wants no updates": (
        1,
        [Round(1, (UNKNOWN, UNKNOWN))],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_round_asks_and_when(name: str) -> None:
    known, rounds = CASES[name]
    schedule = Schedule(NETWORK)
    for round_ in rounds:
        schedule.begin(None if round_.head is None else Height(round_.head), wanted=round_.wanted)
        unknown = 0
        for ask in round_.asks:
            request = schedule.next_request(Period(known), at(round_.slot), needed=round_.needed)
            if isinstance(ask, str):
                assert request == FinalityRequest()
                if ask == UNKNOWN:
                    unknown += 1
                    assert schedule.ask_again() == (unknown == 1)
                continue
            start, count, reply = ask
            assert request == UpdatesRequest(Period(start), count)
            if isinstance(reply, int):
                known = reply
                schedule.continue_updates()
            else:
                schedule.pause_updates()
        assert schedule.next_request(Period(known), at(round_.slot), needed=round_.needed) is None


def test_an_unknown_committee_is_followed_only_after_it_was_shown() -> None:
    schedule = Schedule(NETWORK)
    schedule.begin(Height(1), wanted=True)
    assert not schedule.ask_again()


def test_slow_nodes_do_not_make_a_round_endless() -> None:
    """Answers that take longer than every pause end a round all the same."""
    schedule = Schedule(NETWORK)
    schedule.begin(Height(1), wanted=True)
    asked = []
    for passed in range(0, 20 * SPE, 2 * SPE):
        request = schedule.next_request(Period(0), at(PERIOD + passed), needed=True)
        asked.append(request)
        if isinstance(request, UpdatesRequest):
            schedule.pause_updates()
        elif isinstance(request, FinalityRequest):
            schedule.ask_again()
    wanted = [UpdatesRequest(Period(0), 2), FinalityRequest()] * 2
    assert [request for request in asked if request is not None] == wanted


@pytest.mark.parametrize(
    ("head_slot", "blocks_back", "now_slot", "said"),
    [
        (40, 0, 40, "0 of about 26 slots"),
        (47, 0, 47, "0 of about 19 slots"),
        (40, 3, 45, "8 of about 21 slots"),
        (40, 0, 66, "26 of about 26 slots"),
        (40, 0, 67, "27 of about 26 slots, which is late"),
        # A node whose head is ahead of our clock, and a block before the chain.
        (40, 0, 30, "0 of about 26 slots"),
        (4, 9, 5, "5 of about 26 slots"),
    ],
)
def test_how_far_a_block_is_from_being_final(
    head_slot: int, blocks_back: int, now_slot: int, said: str
) -> None:
    head = Head(Height(100), bytes(32), bytes(32), NETWORK.timestamp_at(Slot(head_slot)))
    assert describe_finality_wait(NETWORK, head, Height(100 - blocks_back), at(now_slot)) == said
