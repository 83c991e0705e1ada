# SPDX-License-Identifier: MIT
"""The steps that the pipeline adds to the stories of messages, as rows. One row tells a step of a range of
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from relayer.journal.rows import LaneRow, Micros, StoredBatch, StoredMessage, StoredWait, Transition
from relayer.pipeline.rules.page import Confirmed, indices
from relayer.pipeline.rules.proving import Proven, Verified
from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.protocol.message import PAGE_BITS
from relayer.sending.transaction import Outcomes, Transaction


def verified_steps(
    verified: Verified, proven: Proven, first: int, hearsay: int, now: Micros
) -> Iterator[Transition]:
    """Yield the steps of messages that logs tell of.

    Args:
        verified: what proven page heads said of them.
        proven: the proofs of these heads.
        first: the sequence of the first of them.
        hearsay: messages below this sequence were observed before, as hearsay.
        now: the wall clock.
    """
    heights = {proof.page: proof.height for proof in proven.proofs}
    for page, stored in _by_page(verified.messages):
        low, high = int(stored[0].message.sequence), int(stored[-1].message.sequence)
        # The journal leaves out those that were shown before, as hearsay or unfinalized.
        yield Transition(verified.lane, low, high, DeliveryState.OBSERVED, now, detail=_blocks(stored))
        detail = {"height": verified.header.number, "block": verified.header.hash}
        yield Transition(verified.lane, low, high, DeliveryState.VERIFIED, now, detail=detail)
        if page in heights:
            yield Transition(
                verified.lane, low, high, DeliveryState.PROVEN, now, detail={"height": heights[page]}
            )
        for known in stored:
            if known.message.id != known.leaf:
                sequence = int(known.message.sequence)
                yield Transition(
                    verified.lane, sequence, sequence, DeliveryState.REFUSED, now, detail=_ALTERED
                )
    for _, stored in _by_page(verified.hearsay):
        low, high = int(stored[0].message.sequence), int(stored[-1].message.sequence)
        yield Transition(verified.lane, low, high, DeliveryState.OBSERVED, now, detail=_blocks(stored))
    if verified.waiting is None:
        end = first + len(verified.messages)
        yield from _unfounded(verified.lane, end, hearsay, now)


_ALTERED: Final = {"why": "the fields that logs tell do not hash to the proven leaf"}


def altered_waits(verified: Verified, now: Micros) -> Iterator[StoredWait]:
    """Yield why the messages wait whose fields, as logs tell them, do not hash to the proven leaf."""
    for stored in verified.messages:
        if stored.message.id != stored.leaf:
            detail = f"{_ALTERED['why']} 0x{stored.leaf.hex()[:16]}…; the logs are read again"
            waiting = Waiting(WaitingReason.RPC_TROUBLE, detail)
            yield StoredWait(verified.lane, stored.message.sequence, waiting, now, 1, now)


def restored_steps(lane: LaneRow, sequence: int, height: int, now: Micros) -> Iterator[Transition]:
    """Yield the steps of a message whose fields hash to the proven leaf after its logs were read again."""
    for state in (DeliveryState.OBSERVED, DeliveryState.VERIFIED, DeliveryState.PROVEN):
        yield Transition(lane, sequence, sequence, state, now, detail={"height": height}, open_only=True)


def unfinalized_steps(
    lane: LaneRow, stored: Iterable[StoredMessage], gone: range, now: Micros
) -> Iterator[Transition]:
    """Yield the steps of messages in blocks that are not final.

    `stored` are those that logs tell of now, and `gone` the sequences whose block is gone.
    """
    if gone:
        yield from _unfounded(lane, gone.start, gone.stop, now)
    for _, several in _by_page(stored):
        low, high = int(several[0].message.sequence), int(several[-1].message.sequence)
        yield Transition(
            lane, low, high, DeliveryState.OBSERVED, now, detail={**_blocks(several), "final": False}
        )


def _unfounded(lane: LaneRow, first: int, end: int, now: Micros) -> Iterator[Transition]:
    while first < end:
        last = min(end - 1, first | ((1 << PAGE_BITS) - 1))
        yield Transition(lane, first, last, DeliveryState.UNFOUNDED, now)
        first = last + 1


def _by_page(stored: Iterable[StoredMessage]) -> Iterator[tuple[int, list[StoredMessage]]]:
    pages: dict[int, list[StoredMessage]] = {}
    for known in stored:
        pages.setdefault(known.message.page, []).append(known)
    yield from pages.items()


def _blocks(stored: list[StoredMessage]) -> dict[str, Any]:
    return {"blocks": [stored[0].block_number, stored[-1].block_number]}


def submitted_step(batch: StoredBatch, detail: dict[str, Any], now: Micros) -> Transition:
    """Return the step of messages that a signed transaction carries."""
    return Transition(
        lane=batch.lane,
        first=batch.first,
        last=batch.last,
        state=DeliveryState.SUBMITTED,
        at=now,
        mask=batch.mask,
        batch=batch.row,
        detail=detail,
        open_only=True,
    )


def included_steps(included: Iterable[Transaction], now: Micros) -> Iterator[Transition]:
    """Yield the steps of messages whose transactions providers show in a block."""
    for transaction in included:
        if transaction.batch is None or transaction.receipt is None:
            continue
        receipt = transaction.receipt
        detail: dict[str, Any] = {
            "block": receipt.block_number,
            "gas_used": receipt.gas_used,
            "messages": transaction.batch.mask.bit_count(),
        }
        if not receipt.succeeded:
            detail["reverted"] = True
        yield _of_batch(transaction.batch, DeliveryState.INCLUDED, detail, now)


def returned_steps(returned: Iterable[Transaction], why: str, now: Micros) -> Iterator[Transition]:
    """Yield the steps of messages whose transaction can never land any more."""
    for transaction in returned:
        if transaction.batch is not None:
            yield _of_batch(transaction.batch, DeliveryState.PROVEN, {"why": why}, now)


def reopened_steps(transaction: Transaction, now: Micros) -> Iterator[Transition]:
    """Yield the step of messages whose transaction's block is gone; the transaction may land again."""
    if transaction.batch is not None:
        yield _of_batch(transaction.batch, DeliveryState.SUBMITTED, {"why": "its block is gone"}, now)


def outcome_steps(outcomes: Outcomes, now: Micros) -> Iterator[Transition]:
    """Yield the steps of messages that come of what became of their transactions."""
    for known in outcomes.reopened:
        yield from reopened_steps(known, now)
    yield from included_steps(outcomes.included, now)
    yield from returned_steps(outcomes.displaced, "its nonce went to another transaction", now)
    for known, why in outcomes.given_up:
        yield from returned_steps([known], f"its transaction was given up: {why}", now)


def _of_batch(batch: StoredBatch, state: DeliveryState, detail: dict[str, Any], now: Micros) -> Transition:
    return Transition(
        batch.lane,
        batch.first,
        batch.last,
        state,
        now,
        mask=batch.mask,
        batch=batch.row,
        detail=detail,
        open_only=True,
    )


def confirmed_steps(verdict: Confirmed, now: Micros) -> Iterator[Transition]:
    """Yield the steps that a proven delivered bitmap shows."""
    proven = {"height": verdict.height}
    if verdict.delivered:
        yield _of_mask(verdict.lane, verdict.page, verdict.delivered, DeliveryState.CONFIRMED, proven, now)
    if verdict.expired:
        yield _of_mask(verdict.lane, verdict.page, verdict.expired, DeliveryState.EXPIRED, proven, now)
    for wait in verdict.failed:
        bit = 1 << (wait.sequence & 0xFF)
        detail = {"attempts": wait.attempts, "reason": wait.waiting.detail}
        yield _of_mask(verdict.lane, verdict.page, bit, DeliveryState.FAILED, detail, now)
    back = (verdict.returned | verdict.unseen) & ~verdict.expired
    if back:
        why = (
            "the proven bitmap shows it as not delivered"
            if verdict.unseen
            else "its transaction did not execute it"
        )
        yield _of_mask(verdict.lane, verdict.page, back, DeliveryState.PROVEN, {"why": why, **proven}, now)


def seen_step(lane: LaneRow, page: int, mask: int, now: Micros) -> Transition:
    """Return the step of messages that a provider shows as delivered, by whomever."""
    why = {"why": "the destination shows its bit as set"}
    return replace(_of_mask(lane, page, mask, DeliveryState.INCLUDED, why, now), open_only=True)


def _of_mask(
    lane: LaneRow, page: int, mask: int, state: DeliveryState, detail: dict[str, Any], now: Micros
) -> Transition:
    places = list(indices(mask))
    first = page << PAGE_BITS
    return Transition(lane, first + places[0], first + places[-1], state, now, mask=mask, detail=detail)
