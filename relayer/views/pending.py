# SPDX-License-Identifier: MIT
"""A message that waits, and why (INV-10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from relayer.journal.rows import MICROS_PER_S
from relayer.protocol.delivery import DeliveryState, WaitingReason

if TYPE_CHECKING:
    from relayer.journal.rows import PendingMessage


class PendingView(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is neither confirmed nor expired.

    Attributes:
        id: 32 bytes.
        source: the configured name of the chain that sent it.
        destination: the configured name of the chain that it goes to.
        sequence: its place in its lane.
        state: where it stands.
        reason: what it waits for.
        detail: what makes the reason concrete, one line; may be empty.
        since: when it came to that state, seconds since 1970.
    """

    id: bytes
    source: str
    destination: str
    sequence: int
    state: DeliveryState
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
