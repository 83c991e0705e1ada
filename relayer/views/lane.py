# SPDX-License-Identifier: MIT
"""A lane: one direction between two endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from relayer.journal.rows import MICROS_PER_S
from relayer.protocol.delivery import Waiting, WaitingReason

if TYPE_CHECKING:
    from relayer.pipeline.rules.lane import LaneProgress


class LaneView(msgspec.Struct, frozen=True, kw_only=True):
    """A lane at work.

    Attributes:
        name: for people and metrics: `court>port`, with the start of its channel where it has one of its own.
        lane: its id, 32 bytes.
        source: the configured name of the chain that its messages come from.
        destination: the configured name of the chain that they go to.
        channel: 32 bytes; zero for the public lane.
        proven: how many of its messages are proven to have been sent.
        settled: below which sequence nothing more happens to any message.
        backlog: how many proven messages are neither confirmed nor expired.
        oldest_since: when the oldest of them in memory was proven, in seconds since 1970; None for none.
        waiting: why the lane as a whole is held up; None where it is not.
        waiting_messages: the backlog by the reason that its messages wait for; every reason has a number.
    """

    name: str
    lane: bytes
    source: str
    destination: str
    channel: bytes
    proven: int
    settled: int
    backlog: int
    oldest_since: float | None
    waiting: Waiting | None
    waiting_messages: Mapping[WaitingReason, int]


def lane_view(
    lane: LaneProgress, in_flight: Mapping[int, Iterable[tuple[int, WaitingReason]]] | None = None
) -> LaneView:
    """Return the view of a lane by what the pipeline has of it in memory.

    `in_flight` tells by page what transactions wait for, as LaneProgress.count takes it.
    """
    counts = lane.count(in_flight)
    return LaneView(
        name=lane.name,
        lane=lane.lane.id,
        source=lane.source,
        destination=lane.destination,
        channel=lane.lane.channel,
        proven=counts.proven,
        settled=counts.settled,
        backlog=counts.backlog,
        oldest_since=None if counts.oldest_at is None else counts.oldest_at / MICROS_PER_S,
        waiting=lane.waiting,
        waiting_messages=counts.waiting,
    )
