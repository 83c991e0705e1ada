# SPDX-License-Identifier: MIT
"""A message that waits, as it is shown."""

from __future__ import annotations

from relayer.journal.rows import LaneRow, Micros, PendingMessage, StoredLane
from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.views.encoding import to_plain
from relayer.views.pending import held_lane_view, pending_view
from tests.unit.views.samples import LANE, MESSAGE


def test_it_shows_why_and_since_when() -> None:
    """INV-10."""
    pending = PendingMessage(
        lane=LaneRow(1),
        source="court",
        destination="port",
        sequence=7,
        leaf=MESSAGE.id,
        state=DeliveryState.FAILED,
        since=Micros(2_500_000),
        waiting=Waiting(WaitingReason.RECIPIENT_REVERTS, "Closed()"),
    )
    assert to_plain(pending_view(pending)) == {
        "id": "0x" + MESSAGE.id.hex(),
        "source": "court",
        "destination": "port",
        "sequence": 7,
        "state": "failed",
        "reason": "recipient_reverts",
        "detail": "Closed()",
        "since": 2.5,
    }


def test_a_lane_that_is_held_up_before_it_has_a_message_is_shown() -> None:
    """INV-10."""
    waiting = Waiting(WaitingReason.RPC_TROUBLE, "port is down")
    lane = StoredLane(LaneRow(1), LANE, "court", "port", 0, bytes(32), 0, 0, waiting, Micros(2_500_000))
    assert to_plain(held_lane_view(lane)) == {
        "id": None,
        "source": "court",
        "destination": "port",
        "sequence": None,
        "state": None,
        "reason": "rpc_trouble",
        "detail": "port is down",
        "since": 2.5,
    }
