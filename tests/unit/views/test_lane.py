# SPDX-License-Identifier: MIT
"""A lane, as it is shown."""

from __future__ import annotations

from relayer.journal.rows import LaneRow
from relayer.pipeline.rules.instant import Ticks
from relayer.pipeline.rules.lane import LaneProgress, Parked
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.views.encoding import to_plain
from relayer.views.lane import lane_view
from tests.unit.views.samples import LANE


def test_a_lane_shows_its_counts_and_every_reason() -> None:
    lane = LaneProgress(LaneRow(1), LANE, "court", "port", 300, bytes(32), 9, 40)
    lane.begin_at(2)
    lane.parked[0] = Parked(Ticks(5), {WaitingReason.RECIPIENT_REVERTS: 3})
    lane.wait_for(Waiting(WaitingReason.PAUSED, "by its guardian"))
    shown = to_plain(lane_view(lane))
    assert isinstance(shown, dict)
    reasons = shown.pop("waiting_messages")
    assert set(reasons) == {reason.value for reason in WaitingReason}
    assert {reason: count for reason, count in reasons.items() if count} == {"recipient_reverts": 3}
    assert shown == {
        "name": "court>port",
        "lane": "0x" + LANE.id.hex(),
        "source": "court",
        "destination": "port",
        "channel": "0x" + "00" * 32,
        "proven": 300,
        "settled": 40,
        "backlog": 3,
        "oldest_since": None,
        "waiting": {"reason": "paused", "detail": "by its guardian"},
    }
