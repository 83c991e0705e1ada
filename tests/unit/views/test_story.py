# SPDX-License-Identifier: MIT
"""A story as it is shown."""

from __future__ import annotations

from relayer.protocol.delivery import DeliveryState
from relayer.views.delivery import DeliveryView, proven_view
from relayer.views.encoding import to_plain
from relayer.views.story import StepView, StoryView, story_view
from tests.unit.views.samples import HEADER, STORY


def test_the_journals_story_is_told_in_seconds_with_what_the_chains_add() -> None:
    delivery = DeliveryView(tx_hash=b"d" * 32, block=40, timestamp=1_800, told_by="journal", is_checked=True)
    view = story_view(STORY, delivery=delivery, proven=proven_view(HEADER, is_delivered=True))
    assert to_plain(view) == {
        "state": "submitted",
        "waiting": {"reason": "inclusion", "detail": "its transaction is signed, and in no block yet"},
        "told_by": "journal",
        "steps": [
            {"state": "observed", "at": 1.5, "tx_hash": None, "detail": {"blocks": [12, 12]}},
            {"state": "submitted", "at": 2.0, "tx_hash": "0x" + "64" * 32, "detail": {"nonce": 1}},
        ],
        "delivery": {
            "tx_hash": "0x" + "64" * 32,
            "block": 40,
            "timestamp": 1_800,
            "told_by": "journal",
            "is_checked": True,
        },
        "proven": {"height": 50, "timestamp": 1_900, "is_delivered": True},
    }


def test_what_nobody_knows_is_null() -> None:
    step = StepView(state=DeliveryState.CONFIRMED, detail={"block": b"\x01"})
    view = StoryView(state=DeliveryState.CONFIRMED, waiting=None, told_by="chains", steps=(step,))
    assert to_plain(view) == {
        "state": "confirmed",
        "waiting": None,
        "told_by": "chains",
        "steps": [{"state": "confirmed", "at": None, "tx_hash": None, "detail": {"block": "0x01"}}],
        "delivery": None,
        "proven": None,
    }
