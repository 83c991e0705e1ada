# SPDX-License-Identifier: MIT
"""Confirm: what a word of the destination, proven by its light client, says of a page. No IO here.

A provider's receipt says that a transaction is in a block; only the proven bit says that a message was executed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from relayer.chains.base import DeliveryEventKind, TxReceipt
from relayer.consensus.base import VerifiedHeader
from relayer.journal.rows import LaneRow, Micros, StoredBatch, StoredWait
from relayer.pipeline.lane_state import PageState, indices, mask_of
from relayer.pipeline.steps import Confirmed
from relayer.protocol.delivery import Waiting, WaitingReason

_MICROS = 1_000_000
#: A recipient that refused is asked again after this, then after twice as long each time.
_FIRST_RETRY_S = 15
_LONGEST_RETRY_S = 3_600


@dataclass(frozen=True, slots=True)
class IncludedBatch:
    """A batch whose transaction a provider shows in a block at or below the header that proves the word."""

    batch: StoredBatch
    receipt: TxReceipt


def judge_word(
    lane: LaneRow,
    page: PageState,
    word: int,
    header: VerifiedHeader,
    included: Iterable[IncludedBatch],
    now: Micros,
) -> Confirmed:
    """Judge a page by its proven word and the batches that were included in it.

    A clear bit at a header past the deadline is final, too: the destination's time never goes back.
    """
    delivered = word & page.known & ~page.final
    left = page.open & ~delivered
    expired = page.past_deadline(left, header.timestamp)
    left &= ~expired
    failed: dict[int, StoredWait] = {}
    returned = 0
    for each in included:
        refused = _refusals(page, each.receipt)
        clear = each.batch.mask & left
        for index in indices(clear & mask_of(refused)):
            failed[index] = refuse(lane, page, index, decode_reason(refused[index]), now)
        returned |= clear
    return Confirmed(
        lane=lane,
        page=page.page,
        height=header.number,
        delivered=delivered,
        expired=expired,
        failed=tuple(failed.values()),
        returned=returned & ~mask_of(failed),
        unseen=page.seen & ~word if header.number >= page.seen_at else 0,
    )


def refuse(lane: LaneRow, page: PageState, index: int, reason: str, now: Micros) -> StoredWait:
    """Why a message waits whose recipient refused it once more, and until when."""
    before = page.waits.get(index)
    attempts = 1 if before is None else before.attempts + 1
    delay_s = min(_LONGEST_RETRY_S, _FIRST_RETRY_S << min(attempts - 1, 16))
    times = "once" if attempts == 1 else f"{attempts} times"
    return StoredWait(
        lane=lane,
        sequence=page.first + index,
        waiting=Waiting(
            WaitingReason.RECIPIENT_REVERTS, f"refused {times}, tried again after {delay_s} s: {reason}"
        ),
        since=now if before is None else before.since,
        attempts=attempts,
        not_before=Micros(now + delay_s * _MICROS),
    )


def _refusals(page: PageState, receipt: TxReceipt) -> dict[int, bytes]:
    """The recipients' reasons by place in the page, as the receipt's events tell them."""
    places = {leaf: index for index, leaf in enumerate(page.leaves)}
    return {
        places[event.message_id]: event.reason
        for event in receipt.events
        if event.kind is DeliveryEventKind.FAILED and event.message_id in places
    }


_ERROR_STRING = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")


def decode_reason(reason: bytes) -> str:
    """What at most 32 bytes of a recipient's return data say, for people."""
    if not reason:
        return "it returned nothing: no contract there, out of gas, or a bare revert"
    selector = reason[:4]
    if selector == _ERROR_STRING:
        # 32 bytes end before the text of Error(string) begins.
        return "it reverted with Error(string); the text is in the transaction's trace"
    if selector == _PANIC:
        # The code is the last of 36 bytes, which the event cuts.
        return "it panicked (a failed assertion, overflow, index out of bounds, …); the code is in the trace"
    if len(reason) < 4:
        return f"it returned 0x{reason.hex()}"
    return f"it reverted with error 0x{selector.hex()} or answered another selector than receiveMessage's: 0x{reason.hex()}"


def was_wasted(receipt: TxReceipt, batch: StoredBatch | None) -> bool:
    """Whether a deliver transaction moved nothing: it reverted, or all of its messages were delivered before."""
    if not receipt.succeeded:
        return True
    return batch is not None and not any(each.mask for each in receipt.delivered) and not receipt.events
