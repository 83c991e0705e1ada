# SPDX-License-Identifier: MIT
"""What happens while somebody watches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from relayer.journal.rows import MICROS_PER_S
from relayer.protocol.delivery import DeliveryState
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE

if TYPE_CHECKING:
    from relayer.journal.rows import StoredLane, Transition


class MessagesEventView(msgspec.Struct, frozen=True, kw_only=True):
    """One step of messages of one lane, at most 256.

    Attributes:
        lane: its id, 32 bytes.
        source: the configured name of the chain that sent them.
        destination: the configured name of the chain that they go to.
        sequences: which messages of the lane.
        state: what they came to.
        at: when, in seconds since 1970.
        tx_hash: the transaction that made the step, where one did.
        detail: what made it, by name: heights, blocks, reasons.
    """

    lane: bytes
    source: str
    destination: str
    sequences: tuple[int, ...]
    state: DeliveryState
    at: float
    tx_hash: bytes | None
    detail: Mapping[str, Any]


def messages_event_view(step: Transition, lane: StoredLane, tx_hash: bytes | None) -> MessagesEventView:
    """Return the view of a step that was written into the journal."""
    first, bits = step.page << PAGE_BITS, step.bits
    return MessagesEventView(
        lane=lane.lane.id,
        source=lane.source,
        destination=lane.destination,
        sequences=tuple(first + bit for bit in range(PAGE_SIZE) if bits >> bit & 1),
        state=step.state,
        at=step.at / MICROS_PER_S,
        tx_hash=tx_hash,
        detail=dict(step.detail),
    )
