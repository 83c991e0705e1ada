# SPDX-License-Identifier: MIT
"""What a proven delivered bitmap says of a page, and what becomes of its messages."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_clients.client import Height, Timestamp
from relayer.chains.base import Address, DeliveredRange, DeliveryEvent, DeliveryEventKind, TxHash, TxReceipt
from relayer.consensus.base import ProvenSlot, VerifiedHeader
from relayer.journal.rows import (
    BatchRow,
    LaneRow,
    Micros,
    Purpose,
    SignedAttempt,
    StoredBatch,
    TransactionRow,
)
from relayer.pipeline.rules.confirming import (
    IncludedBatch,
    decode_reason,
    judge_bitmap,
    judge_bitmaps,
    refuse,
)
from relayer.pipeline.rules.page import PageState
from relayer.pipeline.rules.proving import WantedBitmaps
from relayer.protocol.delivery import WaitingReason
from relayer.protocol.message import MessageId
from relayer.sending.transaction import Transaction
from tests.unit.pipeline.rules.samples import LANE, ROW, make_lane, make_page
from tests.unit.pipeline.rules.samples import NOW as MOMENT
from tests.unit.pipeline.rules.samples import verdict as make_verdict

NOW = MOMENT.wall


def header(timestamp: int = 1_000) -> VerifiedHeader:
    return VerifiedHeader(Height(70), b"h" * 32, Timestamp(timestamp), b"r" * 32)


def batch(mask: int) -> StoredBatch:
    return StoredBatch(BatchRow(1), ROW, 3, 3 << 8, (3 << 8) + 9, mask, 60, TransactionRow(1))


def receipt(*, mask: int = 0, events: tuple[DeliveryEvent, ...] = (), succeeded: bool = True) -> TxReceipt:
    delivered = (DeliveredRange(LANE.id, 3 << 8, 10, mask),) if mask else ()
    return TxReceipt(TxHash(b"t" * 32), Height(69), b"b" * 32, succeeded, 100_000, 10**14, delivered, events)


def failed(page: PageState, index: int, reason: bytes = b"") -> DeliveryEvent:
    return DeliveryEvent(DeliveryEventKind.FAILED, MessageId(page.leaves[index]), reason)


def test_set_bits_are_confirmed_whoever_set_them() -> None:
    page = make_page(10)
    page.apply(make_verdict(delivered=0b1), MOMENT)
    verdict = judge_bitmap(ROW, page, 0b1011, header(), [], NOW)
    assert (verdict.delivered, verdict.expired, verdict.returned, verdict.failed) == (0b1010, 0, 0, ())
    # Bits of messages that were never proven to be sent are of no account.
    assert judge_bitmap(ROW, make_page(2), 0b111, header(), [], NOW).delivered == 0b11


def test_a_receipt_alone_confirms_nothing() -> None:
    """INV-5: what a provider's receipt claims and the proven word does not have goes back."""
    included = [IncludedBatch(batch(0b110), receipt(mask=0b110))]
    verdict = judge_bitmap(ROW, make_page(10), 0b010, header(), included, NOW)
    assert (verdict.delivered, verdict.returned) == (0b010, 0b100)


def test_a_refused_message_waits_with_the_decoded_reason_and_ever_longer() -> None:
    page = make_page(10)
    included = [
        IncludedBatch(batch(0b111), receipt(mask=0b101, events=(failed(page, 1, b"\xde\xad\xbe\xef"),)))
    ]
    verdict = judge_bitmap(ROW, page, 0b101, header(), included, NOW)
    (wait,) = verdict.failed
    assert (verdict.returned, wait.sequence, wait.attempts) == (0, (3 << 8) + 1, 1)
    assert wait.waiting.reason is WaitingReason.RECIPIENT_REVERTS
    assert "0xdeadbeef" in wait.waiting.detail
    delays = []
    for _ in range(12):
        page.wait(wait, MOMENT)
        delays.append(wait.not_before - NOW)
        wait = refuse(ROW, page, 1, "no", NOW)
    assert delays == sorted(delays)
    assert delays[:3] == [15_000_000, 30_000_000, 60_000_000]
    assert delays[-1] == 3_600_000_000


def test_a_clear_bit_past_the_deadline_is_final() -> None:
    """INV-3: only by the destination's own proven time, and only when the bit is clear."""
    page = make_page(4, deadline=1_000)
    assert judge_bitmap(ROW, page, 0b0001, header(1_000), [], NOW).expired == 0
    verdict = judge_bitmap(ROW, page, 0b0001, header(1_001), [], NOW)
    assert (verdict.delivered, verdict.expired) == (0b0001, 0b1110)


def test_a_false_word_of_a_provider_is_seen_through() -> None:
    page = make_page(4)
    page.see(0b0110, at=70)
    verdict = judge_bitmap(ROW, page, 0b0010, header(), [], NOW)
    assert (verdict.delivered, verdict.unseen) == (0b0010, 0b0100)


@given(st.integers(0, 1023), st.integers(0, 1023), st.integers(0, 1023), st.booleans())
def test_every_message_of_an_included_batch_ends_in_exactly_one_way(
    bitmap: int, mask: int, refused: int, late: bool
) -> None:
    page = make_page(10, deadline=1_000)
    events = tuple(failed(page, index) for index in range(10) if refused >> index & 1)
    included = [IncludedBatch(batch(mask), receipt(events=events))]
    verdict = judge_bitmap(ROW, page, bitmap, header(1_001 if late else 999), included, Micros(NOW))
    waits = sum(1 << (wait.sequence & 0xFF) for wait in verdict.failed)
    parts = [verdict.delivered, verdict.expired, waits, verdict.returned]
    assert sum(part.bit_count() for part in parts) == (parts[0] | parts[1] | parts[2] | parts[3]).bit_count()
    assert mask & ~(parts[0] | parts[1] | parts[2] | parts[3]) == 0
    assert verdict.delivered == bitmap & 0x3FF


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (b"", "no contract there"),
        (bytes.fromhex("08c379a0") + bytes(28), "Error(string)"),
        (bytes.fromhex("4e487b71") + bytes(28), "panicked"),
        (b"\x01\x02", "0x0102"),
        (bytes.fromhex("deadbeef"), "0xdeadbeef"),
    ],
)
def test_reasons_are_told_in_words(reason: bytes, text: str) -> None:
    assert text in decode_reason(reason)


def carrier(mask: int, *, said: int, page: int = 3, lane: LaneRow = ROW) -> Transaction:
    carried = StoredBatch(BatchRow(1), lane, page, page << 8, (page << 8) + 9, mask, 60, TransactionRow(1))
    return Transaction(
        TransactionRow(1), Purpose.DELIVER, Address(b"k" * 20), 1, [], None, carried, receipt(mask=said)
    )


def test_a_transaction_is_settled_by_the_bitmap_or_doubted() -> None:
    """INV-2: its receipt promised bits that the proven state does not have."""
    here, gone = make_page(10), 9
    lane = make_lane(here, proven=(3 << 8) + 10, next_page=4)
    wanted = WantedBitmaps(lane, (3, gone))
    values = {
        slot: ProvenSlot(slot, (0b011).to_bytes(32), Height(70), Timestamp(1), b"") for slot in wanted.slots()
    }
    done, doubted = carrier(0b011, said=0b011), carrier(0b100, said=0b100)
    others = [carrier(0b1, said=1, page=gone), carrier(0b1, said=1, lane=LaneRow(2))]
    judged = judge_bitmaps(wanted, values, header(), [done, doubted, *others], {}, NOW)
    # A page that left memory while it was proven is judged another time.
    assert [(page.page, verdict.delivered, verdict.returned) for page, verdict in judged.verdicts] == [
        (3, 0b011, 0b100)
    ]
    assert (judged.settled, judged.doubted) == ((done,), (doubted,))
    # What reverted or was cancelled promised nothing.
    cancellation = SignedAttempt(b"t" * 32, b"", 21_000, 1, 1, NOW, is_cancellation=True)
    cancelled = replace(carrier(0b100, said=0b100), attempts=[cancellation])
    assert judge_bitmaps(wanted, values, header(), [cancelled], {}, NOW).settled == (cancelled,)
    reverted = replace(carrier(0b100, said=0), receipt=receipt(succeeded=False))
    assert judge_bitmaps(wanted, values, header(), [reverted], {}, NOW).settled == (reverted,)
    # That it reverted is a provider's word, which the account's proven nonce contradicts.
    unused = {reverted.sender: reverted.nonce}
    assert judge_bitmaps(wanted, values, header(), [reverted], unused, NOW).doubted == (reverted,)
    used = {reverted.sender: reverted.nonce + 1}
    assert judge_bitmaps(wanted, values, header(), [reverted], used, NOW).settled == (reverted,)
