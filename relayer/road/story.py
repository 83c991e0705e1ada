# SPDX-License-Identifier: MIT
"""A message's story as the chains alone tell it, where no relayer's journal here knows the message."""

from __future__ import annotations

from relayer.chains.base import SentMessage
from relayer.consensus.base import VerifiedHeader
from relayer.protocol.delivery import DeliveryState
from relayer.views.delivery import DeliveryView, proven_view
from relayer.views.story import StepView, StoryView


def sent_step(sent: SentMessage) -> StepView:
    """Return the step of a message's sending, as the source's logs tell it."""
    detail = {"block": sent.block_number, "log": sent.log_index}
    return StepView(state=DeliveryState.OBSERVED, tx_hash=sent.tx_hash, detail=detail)


def unproven_story(sent: SentMessage, why: str) -> StoryView:
    """Return the story of a message whose destination can't be asked; `why` says so."""
    failed = StepView(state=DeliveryState.OBSERVED, detail={"why": f"the destination can't be proven: {why}"})
    return StoryView(
        state=DeliveryState.OBSERVED, waiting=None, told_by="chains", steps=(sent_step(sent), failed)
    )


def proven_story(
    sent: SentMessage, header: VerifiedHeader, delivery: DeliveryView | None, *, is_delivered: bool
) -> StoryView:
    """Return the story of a message by its bit under a verified header of the destination.

    `delivery` is the transaction that set the bit, where it was found.
    """
    steps = [sent_step(sent)]
    proof = {"height": header.number, "block": header.hash}
    proven_at = float(header.timestamp)
    if delivery is not None:
        included_at = None if delivery.timestamp is None else float(delivery.timestamp)
        steps.append(
            StepView(
                state=DeliveryState.INCLUDED,
                at_s=included_at,
                tx_hash=delivery.tx_hash,
                detail={"block": delivery.block},
            )
        )
    if is_delivered:
        steps.append(StepView(state=DeliveryState.CONFIRMED, at_s=proven_at, detail=proof))
    elif 0 < sent.message.deadline < header.timestamp:
        # Its bit is clear after its deadline, and the destination's time never goes back.
        steps.append(StepView(state=DeliveryState.EXPIRED, at_s=proven_at, detail=proof))
    return StoryView(
        state=steps[-1].state,
        waiting=None,
        told_by="chains",
        steps=tuple(steps),
        delivery=delivery,
        proven=proven_view(header, is_delivered=is_delivered),
    )
