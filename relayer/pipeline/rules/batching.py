# SPDX-License-Identifier: MIT
"""Plan: which messages the next transactions of a lane carry. Pure: values in, values out.

A batch never crosses a page, so its tail stays inside the page and the page's proof serves it for ever. It
takes the messages that are ready, up to its share of a block's gas. Messages between them that are not ready
are only hashed past.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from relayer.pipeline.rules.gas import GasModel
from relayer.pipeline.rules.instant import Ticks
from relayer.pipeline.rules.page import PageState, indices
from relayer.protocol.batch import Batch
from relayer.protocol.lane import Lane
from relayer.protocol.message import PAGE_SIZE, Message, MessageId, Sequence


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a batch may be, and how long it may wait.

    Attributes:
        most_gas: the gas of its transaction.
        most_bytes: the bytes of its payloads together.
        most_messages: its full messages.
        max_wait_us: for how many microseconds a message waits at most for others that share the base cost.
    """

    most_gas: int
    most_bytes: int
    most_messages: int
    max_wait_us: int


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch to be made.

    Attributes:
        page: the number of its page.
        mask: its full messages, as bits of the page.
        is_retry: whether it is one message that its recipient refused before.
    """

    page: int
    mask: int
    is_retry: bool


@dataclass(frozen=True, slots=True)
class BatchPlans:
    """What to do now, and when to plan again.

    Attributes:
        now: the batches to send now.
        look_again: when a message will have waited long enough for others, or its time comes; None for never.
    """

    now: tuple[BatchPlan, ...]
    look_again: Ticks | None


def make_plans(
    pages: Iterable[PageState],
    model: GasModel,
    limits: BatchLimits,
    now: Ticks,
    destination_time: int,
    oldest_height: int,
) -> BatchPlans:
    """Plan the pages of a lane, every one by itself.

    Args:
        pages: the pages, in the order in which they are to be sent.
        model: what the lane's deliveries cost.
        limits: how large a batch may be, and how long it may wait.
        now: the clock that nobody sets.
        destination_time: the destination's time in seconds, for deadlines.
        oldest_height: the destination's client does not believe proofs below this block any more.
    """
    plans: list[BatchPlan] = []
    times: list[Ticks] = []
    for page in pages:
        paused_until = page.waits_until(now)
        if paused_until is not None:
            times.append(paused_until)
        if page.proof is None or page.proof_is_stale or page.proof.height < oldest_height:
            continue
        bits = ready(page, now, destination_time)
        for index in [index for index in indices(bits) if index in page.waits]:
            # Alone, so that its simulation shows whether the recipient still refuses, and no other message
            # pays.
            plans.append(BatchPlan(page.page, 1 << index, is_retry=True))
            bits &= ~(1 << index)
        for mask, is_full in _split(page, bits, model, limits):
            waited_until = Ticks(
                min(page.proven_at[index].ticks for index in indices(mask)) + limits.max_wait_us
            )
            if is_full or waited_until <= now or model.is_worth_sending(mask.bit_count()):
                plans.append(BatchPlan(page.page, mask, is_retry=False))
            else:
                times.append(waited_until)
    return BatchPlans(tuple(plans), min(times, default=None))


def ready(page: PageState, now: Ticks, destination_time: int) -> int:
    """Return the messages of a page that its proof covers and that could be delivered now, as bits."""
    if page.proof is None:
        return 0
    return page.ready(now, destination_time) & ((2 << (page.proof.last & 0xFF)) - 1)


def _split(page: PageState, bits: int, model: GasModel, limits: BatchLimits) -> Iterator[tuple[int, bool]]:
    """Cut the ready messages into batches that fit.

    A batch comes with whether it is full: no more can join it.
    """
    mask, count, payload, largest = 0, 0, 0, 0
    for index in indices(bits):
        message = page.messages[index]
        size = payload + len(message.payload)
        gas_limit = max(largest, message.gas_limit)
        too_much = model.expect(count + 1, size, largest_gas_limit=gas_limit) > limits.most_gas
        too_much = too_much or size > limits.most_bytes
        # A message that is too large by itself still goes, alone: its simulation decides.
        if mask and (too_much or count == limits.most_messages):
            yield mask, True
            mask, count, size, gas_limit = 0, 0, len(message.payload), message.gas_limit
        mask |= 1 << index
        count, payload, largest = count + 1, size, gas_limit
    if mask:
        # A batch never crosses a page: behind the page's last message none can join.
        yield mask, mask.bit_length() == PAGE_SIZE


def halve(plan: BatchPlan) -> BatchPlan:
    """Return a plan with the first half of the messages, for a batch that turned out to be too large."""
    places = list(indices(plan.mask))
    half = 0
    for index in places[: max(1, len(places) // 2)]:
        half |= 1 << index
    return BatchPlan(plan.page, half, plan.is_retry)


def make_batch(lane: Lane, page: PageState, mask: int) -> Batch:
    """Return the batch that delivers a page's messages in `mask`, with its tail up to the proven head.

    The page must have a proof that covers them.
    """
    assert page.proof is not None
    places = list(indices(mask))
    first, last = places[0], places[-1]
    items: list[Message | MessageId] = [
        page.messages[index] if mask >> index & 1 else page.leaves[index] for index in range(first, last + 1)
    ]
    end = (page.proof.last & 0xFF) + 1
    return Batch(
        lane=lane,
        previous_head=page.head_before(first),
        first=Sequence(page.first + first),
        items=tuple(items),
        tail=tuple(page.leaves[last + 1 : end]),
    )


def full_messages(page: PageState, mask: int) -> list[Message]:
    """Return the messages of a page that a mask names."""
    return [page.messages[index] for index in indices(mask)]
