# SPDX-License-Identifier: MIT
"""A message that waits, as it is shown."""

from __future__ import annotations

from relayer.journal.rows import LaneRow, Micros, PendingMessage
from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.views.encoding import to_plain
from relayer.views.pending import pending_view
from tests.unit.views.samples import MESSAGE


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
