# SPDX-License-Identifier: MIT
"""A message or a lane that waits, and why (INV-10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from relayer.journal.rows import MICROS_PER_S
from relayer.protocol.delivery import DeliveryState, WaitingReason

if TYPE_CHECKING:
    from relayer.journal.rows import PendingMessage, StoredLane


class PendingView(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is neither confirmed nor expired, or a lane that is held up before it has one.

    Attributes:
        id: 32 bytes; None of a lane, and so are `sequence` and `state`.
        source: the configured name of the chain that sent it.
        destination: the configured name of the chain that it goes to.
        sequence: its place in its lane.
        state: where it stands.
        reason: what it waits for.
        detail: what makes the reason concrete, one line; may be empty.
        since: when it came to that state, seconds since 1970; of a lane, since when it waits.
    """

    id: bytes | None
    source: str
    destination: str
    sequence: int | None
    state: DeliveryState | None
    reason: WaitingReason
    detail: str
    since: float


def pending_view(pending: PendingMessage) -> PendingView:
    """Return the view of a message that the journal has as open."""
    return PendingView(
        id=pending.leaf,
        source=pending.source,
        destination=pending.destination,
        sequence=pending.sequence,
        state=pending.state,
        reason=pending.waiting.reason,
        detail=pending.waiting.detail,
        since=pending.since / MICROS_PER_S,
    )


def held_lane_view(lane: StoredLane) -> PendingView:
    """Return the view of a lane that is held up as a whole; it must have a reason."""
    assert lane.waiting is not None
    return PendingView(
        id=None,
        source=lane.source,
        destination=lane.destination,
        sequence=None,
        state=None,
        reason=lane.waiting.reason,
        detail=lane.waiting.detail,
        since=lane.waiting_since / MICROS_PER_S,
    )
