# SPDX-License-Identifier: MIT
"""A step of messages as it is shown while it happens."""

from __future__ import annotations

from relayer.journal.rows import LaneRow, Micros, StoredLane, Transition
from relayer.protocol.delivery import DeliveryState
from relayer.views.encoding import to_plain
from relayer.views.event import messages_event_view
from tests.unit.views.samples import LANE


def test_a_step_names_each_message_that_it_is_of() -> None:
    lane = StoredLane(LaneRow(1), LANE, "court", "port", 300, bytes(32), 9, 0, None, Micros(0))
    mask = 1 << (257 & 0xFF) | 1 << (259 & 0xFF)
    step = Transition(
        LaneRow(1), 257, 260, DeliveryState.INCLUDED, Micros(1_500_000), mask=mask, detail={"block": 7}
    )
    assert to_plain(messages_event_view(step, lane, b"t" * 32)) == {
        "lane": "0x" + LANE.id.hex(),
        "source": "court",
        "destination": "port",
        "sequences": [257, 259],
        "state": "included",
        "at": 1.5,
        "tx_hash": "0x" + "74" * 32,
        "detail": {"block": 7},
    }
