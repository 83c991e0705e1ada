# SPDX-License-Identifier: MIT
"""Which messages the next transactions of a lane carry. Values in, values out: no IO here.

A batch never crosses a page, so its tail stays inside the page and the page's proof serves it for ever. It takes what is
ready, up to its share of a block's gas; what is not ready in between is only hashed past.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from relayer.journal.rows import Micros
from relayer.pipeline.gas import GasModel
from relayer.pipeline.lane_state import PageState, indices
from relayer.protocol.batch import Batch
from relayer.protocol.lane import Lane
from relayer.protocol.message import PAGE_SIZE, Message, MessageId, Sequence


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch may be: gas, bytes of payloads, full messages; and how long a lone message waits for company."""

    most_gas: int
    most_bytes: int
    most_messages: int
    max_wait_us: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch to be: the full messages as bits of a page. `is_retry`: its only message was refused before."""

    page: int
    mask: int
    is_retry: bool


@dataclass(frozen=True, slots=True)
class Plans:
    """What to send now, and when to look again for what waits for company or for its time; None for nothing."""

    now: tuple[Plan, ...]
    look_again: Micros | None


def make_plans(
    pages: Iterable[PageState],
    model: GasModel,
    limits: BatchLimits,
    now: Micros,
    destination_time: int,
    oldest_height: int,
) -> Plans:
    """Plan every page by itself. Proofs below `oldest_height` no longer serve."""
    plans: list[Plan] = []
    times: list[Micros] = []
    for page in pages:
        times += [
            wait.not_before
            for index, wait in page.waits.items()
            if wait.not_before > now and page.open >> index & 1
        ]
        if page.proof is None or page.proof_is_stale or page.proof.height < oldest_height:
            continue
        bits = ready(page, now, destination_time)
        for index in [index for index in indices(bits) if index in page.waits]:
            # Alone, so that whoever keeps refusing can be simulated for nothing and costs nobody else.
            plans.append(Plan(page.page, 1 << index, is_retry=True))
            bits &= ~(1 << index)
        for mask, is_full in _split(page, bits, model, limits):
            waited_until = Micros(min(page.proven_at[index] for index in indices(mask)) + limits.max_wait_us)
            if is_full or waited_until <= now or model.is_worth_sending(mask.bit_count()):
                plans.append(Plan(page.page, mask, is_retry=False))
            else:
                times.append(waited_until)
    return Plans(tuple(plans), min(times, default=None))


def ready(page: PageState, now: Micros, destination_time: int) -> int:
    """The messages of a page that its proof covers and that could be delivered now, as bits."""
    if page.proof is None:
        return 0
    return page.ready(now, destination_time) & ((2 << (page.proof.last & 0xFF)) - 1)


def _split(page: PageState, bits: int, model: GasModel, limits: BatchLimits) -> Iterator[tuple[int, bool]]:
    """Cut what is ready into batches that fit, each with whether company could still come."""
    mask, count, payload, largest = 0, 0, 0, 0
    for index in indices(bits):
        message = page.messages[index]
        size = payload + len(message.payload)
        gas_limit = max(largest, message.gas_limit)
        too_much = model.expect(count + 1, size, largest_gas_limit=gas_limit) > limits.most_gas
        too_much = too_much or size > limits.most_bytes
        if mask and (too_much or count == limits.most_messages):
            yield mask, True
            mask, count, size, gas_limit = 0, 0, len(message.payload), message.gas_limit
        mask |= 1 << index
        count, payload, largest = count + 1, size, gas_limit
    if mask:
        yield mask, mask.bit_length() == PAGE_SIZE


def halve(plan: Plan) -> Plan:
    """The first half of a plan's messages, for what turned out too large."""
    places = list(indices(plan.mask))
    half = 0
    for index in places[: max(1, len(places) // 2)]:
        half |= 1 << index
    return Plan(plan.page, half, plan.is_retry)


def make_batch(lane: Lane, page: PageState, mask: int) -> Batch:
    """The batch of a page's messages in `mask`, from the first of them on, with the tail up to the proven head."""
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
    """The messages of a mask."""
    return [page.messages[index] for index in indices(mask)]
