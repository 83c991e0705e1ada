# SPDX-License-Identifier: MIT
"""Confirm: what a delivered bitmap, proven by the destination's light client, says of a page. Pure.

A provider's receipt says that a transaction is in a block. Only a proven bit says that a message was
executed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from relayer.chains.base import Address, DeliveryEventKind, TxReceipt
from relayer.consensus.base import ProvenSlot, VerifiedHeader
from relayer.journal.rows import MICROS_PER_S, LaneRow, Micros, StoredBatch, StoredWait
from relayer.pipeline.rules.instant import LONGEST_WAIT_US
from relayer.pipeline.rules.page import Confirmed, PageState, indices, mask_of
from relayer.pipeline.rules.proving import WantedBitmaps
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.sending.transaction import Transaction

#: A message that its recipient refused is tried again after this; after every other refusal twice as long,
#: up to LONGEST_WAIT_US.
_FIRST_RETRY_S: Final = 15


@dataclass(frozen=True, slots=True)
class IncludedBatch:
    """A batch whose transaction a provider shows in a block at or below the header that proves the bitmap."""

    batch: StoredBatch
    receipt: TxReceipt


@dataclass(frozen=True, slots=True)
class Judged:
    """What proven bitmaps say of one lane.

    Attributes:
        verdicts: what they say of its pages.
        settled: the transactions that nothing more is expected of.
        doubted: those whose receipt promised bits that the proven state does not have. They are followed
            until they were looked up again.
    """

    verdicts: tuple[tuple[PageState, Confirmed], ...]
    settled: tuple[Transaction, ...]
    doubted: tuple[Transaction, ...]


def judge_bitmaps(
    wanted: WantedBitmaps,
    proven: Mapping[bytes, ProvenSlot],
    header: VerifiedHeader,
    included: Iterable[Transaction],
    nonces: Mapping[Address, int],
    now: Micros,
) -> Judged:
    """Judge the pages of a lane that were asked about and are still in memory.

    Args:
        wanted: what was asked for.
        proven: what was proven, by slot.
        header: the destination's header that proves it.
        included: the transactions with batches that providers show up to that header, of any lane.
        nonces: the proven nonces of accounts whose transactions are said to have had no effect.
        now: the wall clock, for the next try of what failed.
    """
    row = wanted.progress.row
    verdicts: list[tuple[PageState, Confirmed]] = []
    settled: list[Transaction] = []
    doubted: list[Transaction] = []
    carriers = [
        (known, IncludedBatch(known.batch, known.receipt))
        for known in included
        if known.batch is not None and known.receipt is not None and known.batch.lane == row
    ]
    for number, slot in wanted.values(proven).items():
        page = wanted.progress.pages.get(number)
        if page is None:
            continue
        here = [(known, carried) for known, carried in carriers if carried.batch.page == number]
        batches = [carried for _, carried in here]
        verdict = judge_bitmap(row, page, int.from_bytes(slot.value), header, batches, now)
        verdicts.append((page, verdict))
        for known, carried in here:
            # The proven state lacks the bits that its receipt promised, or has its nonce unused.
            promised = carried.receipt.succeeded and not known.is_cancelled
            is_unused = known.nonce >= nonces.get(known.sender, known.nonce + 1)
            is_doubted = is_unused or (promised and carried.batch.mask & verdict.returned)
            (doubted if is_doubted else settled).append(known)
    return Judged(tuple(verdicts), tuple(settled), tuple(doubted))


def judge_bitmap(
    lane: LaneRow,
    page: PageState,
    bitmap: int,
    header: VerifiedHeader,
    included: Iterable[IncludedBatch],
    now: Micros,
) -> Confirmed:
    """Judge a page by its proven bitmap.

    Args:
        lane: the lane's row.
        page: the page; it is not changed.
        bitmap: the proven value of the page's delivered slot.
        header: the destination's header that proves it.
        included: the batches of this page whose transactions providers show up to that header.
        now: the wall clock, for the next try of what failed.
    """
    # Others may have delivered messages that we have not proven yet; their bits are judged once we have.
    delivered = bitmap & page.known & ~page.final
    left = page.open & ~delivered
    # A clear bit at a header past the deadline is final too, because the destination's time never goes back.
    expired = page.past_deadline(left, header.timestamp)
    left &= ~expired
    failed: dict[int, StoredWait] = {}
    returned = 0
    for carried in included:
        refused = _refusals(page, carried.receipt)
        clear = carried.batch.mask & left
        # A receipt's events are a provider's word. They only explain a bit that is proven to be clear.
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
        unseen=page.seen & ~bitmap if header.number >= page.seen_at else 0,
    )


def refuse(lane: LaneRow, page: PageState, index: int, reason: str, now: Micros) -> StoredWait:
    """Return why a message waits that its recipient refused once more, and until when."""
    before = page.waits[index].stored if index in page.waits else None
    attempts = 1 if before is None else before.attempts + 1
    delay_s = min(LONGEST_WAIT_US // MICROS_PER_S, _FIRST_RETRY_S << min(attempts - 1, 16))
    times = "once" if attempts == 1 else f"{attempts} times"
    return StoredWait(
        lane=lane,
        sequence=page.first + index,
        waiting=Waiting(
            WaitingReason.RECIPIENT_REVERTS, f"refused {times}, tried again after {delay_s} s: {reason}"
        ),
        since=now if before is None else before.since,
        attempts=attempts,
        not_before=Micros(now + delay_s * MICROS_PER_S),
    )


def _refusals(page: PageState, receipt: TxReceipt) -> dict[int, bytes]:
    """Return the recipients' revert data by place in the page, as the receipt's events tell it."""
    places = {leaf: index for index, leaf in enumerate(page.leaves)}
    return {
        places[event.message_id]: event.reason
        for event in receipt.events
        if event.kind is DeliveryEventKind.FAILED and event.message_id in places
    }


_ERROR_STRING: Final = bytes.fromhex("08c379a0")
_PANIC: Final = bytes.fromhex("4e487b71")


def decode_reason(reason: bytes) -> str:
    """Return for people what a recipient's return data says, of which events carry 32 bytes at most."""
    if not reason:
        return "it returned nothing: no contract there, out of gas, or a bare revert"
    selector = reason[:4]
    if selector == _ERROR_STRING:
        # The event's 32 bytes end before the text of Error(string) begins.
        return "it reverted with Error(string); the text is in the transaction's trace"
    if selector == _PANIC:
        # The code is the last of 36 bytes, which the event cuts.
        return "it panicked (a failed assertion, overflow, index out of bounds, …); the code is in the trace"
    if len(reason) < 4:
        return f"it returned 0x{reason.hex()}"
    return (
        f"it reverted with error 0x{selector.hex()} or answered another selector than receiveMessage's: "
        f"0x{reason.hex()}"
    )
