# SPDX-License-Identifier: MIT
"""A message's story: told by a relayer's journal where one has it, else by what the chains show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from relayer.journal.rows import MICROS_PER_S
from relayer.protocol.delivery import DeliveryState, Waiting
from relayer.views.delivery import DeliveryView, ProvenView

if TYPE_CHECKING:
    from relayer.journal.rows import StoredStory


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a message.

    Attributes:
        state: what was known of the message from then on.
        at_s: when, in seconds since 1970; None where nobody noted it. `at` in JSON.
        tx_hash: the transaction that made the step, where one did.
        detail: what made it, by name: heights, blocks, reasons.
    """

    state: DeliveryState
    at_s: float | None = msgspec.field(default=None, name="at")
    tx_hash: bytes | None = None
    detail: Mapping[str, Any] = msgspec.field(default_factory=dict)


class StoryView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a message.

    Attributes:
        state: where it stands.
        waiting: what it waits for; None once nothing more can happen, or where nobody knows.
        told_by: `journal` for a relayer's own notes, `chains` for what can be seen from outside: then only
            its sending and its delivery are told.
        steps: the oldest first.
        delivery: the transaction that executed it, by hearsay; None where it was not executed or could not be
            found.
        proven: what a light client of the destination proves now; None where the destination can't be asked.
    """

    state: DeliveryState
    waiting: Waiting | None
    told_by: Literal["journal", "chains"]
    steps: tuple[StepView, ...]
    delivery: DeliveryView | None = None
    proven: ProvenView | None = None


def story_view(
    story: StoredStory, *, delivery: DeliveryView | None = None, proven: ProvenView | None = None
) -> StoryView:
    """Return the view of what the journal has of a message, with what the chains tell beside it."""
    steps = (
        StepView(
            state=step.state, at_s=step.at / MICROS_PER_S, tx_hash=step.tx_hash, detail=dict(step.detail)
        )
        for step in story.steps
    )
    return StoryView(
        state=story.state,
        waiting=story.waiting,
        told_by="journal",
        steps=tuple(steps),
        delivery=delivery,
        proven=proven,
    )
