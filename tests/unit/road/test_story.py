# SPDX-License-Identifier: MIT
"""What the chains alone tell of a message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relayer.protocol.delivery import DeliveryState
from relayer.road.story import proven_story, unproven_story
from relayer.views.delivery import DeliveryView
from tests.unit.views.samples import HEADER, MESSAGE, SENT

DELIVERY = DeliveryView(tx_hash=b"d" * 32, block=40, timestamp=1_800, told_by="logs", is_checked=True)
S = DeliveryState


def test_a_delivered_message_tells_its_delivery_and_apart_from_it_its_proof() -> None:
    story = proven_story(SENT, HEADER, DELIVERY, is_delivered=True)
    assert [(step.state, step.at_s) for step in story.steps] == [
        (S.OBSERVED, None),
        (S.INCLUDED, 1_800.0),
        (S.CONFIRMED, 1_900.0),
    ]
    assert [step.tx_hash for step in story.steps] == [SENT.tx_hash, DELIVERY.tx_hash, None]
    assert (story.state, story.told_by, story.delivery) == (S.CONFIRMED, "chains", DELIVERY)
    assert story.proven is not None
    assert (story.proven.height, story.proven.is_delivered) == (50, True)


def test_a_delivery_that_was_not_found_leaves_the_proof_alone() -> None:
    story = proven_story(SENT, HEADER, None, is_delivered=True)
    assert [step.state for step in story.steps] == [S.OBSERVED, S.CONFIRMED]
    assert story.delivery is None


@pytest.mark.parametrize(
    ("deadline", "state"), [(0, S.OBSERVED), (1_899, S.EXPIRED), (1_900, S.OBSERVED), (9_999, S.OBSERVED)]
)
def test_a_clear_bit_is_final_only_after_the_deadline(deadline: int, state: DeliveryState) -> None:
    """INV-3: at the deadline itself it may still be executed."""
    sent = replace(SENT, message=replace(MESSAGE, deadline=deadline))
    story = proven_story(sent, HEADER, None, is_delivered=False)
    assert story.state is state
    assert story.proven is not None
    assert story.proven.is_delivered is False


def test_a_destination_that_can_not_be_asked_is_told() -> None:
    story = unproven_story(SENT, "no provider answers")
    assert (story.state, story.proven, story.delivery) == (S.OBSERVED, None, None)
    assert "no provider answers" in story.steps[-1].detail["why"]
