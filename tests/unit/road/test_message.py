# SPDX-License-Identifier: MIT
"""Receipts and stories: what is proven stands alone, and hearsay is added where it can be had."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from light_clients.client import Height
from relayer.chains.base import SentMessage, TxHash
from relayer.journal.rows import (
    ChainRow,
    LaneRow,
    Micros,
    Purpose,
    StoredMessage,
    StoredStep,
    StoredStory,
    StoredTransaction,
    TransactionRow,
    TransactionState,
)
from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.protocol.message import Message, Sequence
from relayer.road import DeliveryTimeout, RoadMessage
from tests.unit.road.destination import LANE, SENT_IN, SEQUENCE, FakeDestination, hash_of, make_receipt

SET = 1 << (SEQUENCE & 0xFF)
MESSAGE = Message(LANE, Sequence(SEQUENCE), bytes(32), bytes(32), 100_000, 0, 0, b"x")
SENT = SentMessage(MESSAGE, MESSAGE.id, Height(12), b"h" * 32, TxHash(b"t" * 32), 3)
S = DeliveryState


class FakeJournal:
    """A journal that knows one story."""

    def __init__(self, story: StoredStory) -> None:
        self._story = story

    def story(self, message_id: bytes) -> StoredStory | None:
        return self._story if message_id == MESSAGE.id else None


def make_message(destination: FakeDestination, told: StoredStory | None = None) -> RoadMessage:
    source: Any = SimpleNamespace(name="court", recipient=bytes)
    journal: Any = None if told is None else FakeJournal(told)
    return RoadMessage(SENT, SENT_IN, source, destination.opened(), journal)


def told_by_journal(state: DeliveryState, tx_hash: bytes | None) -> StoredStory:
    transaction = StoredTransaction(
        row=TransactionRow(1),
        chain=ChainRow(1),
        purpose=Purpose.DELIVER,
        sender=bytes(20),
        nonce=0,
        state=TransactionState.SETTLED,
        signed_at=Micros(0),
        attempts=(),
        block_number=40,
        included_hash=tx_hash,
        succeeded=True,
    )
    return StoredStory(
        stored=StoredMessage(LaneRow(1), MESSAGE, MESSAGE.id, bytes(32), 12, bytes(32), bytes(32), 3),
        source="court",
        destination="port",
        steps=(StoredStep(state, Micros(7_000_000), {}),),
        state=state,
        waiting=None if state is S.CONFIRMED else Waiting(WaitingReason.BATCH),
        proof=None,
        delivered_by=None if tx_hash is None else transaction,
    )


async def test_a_receipt_names_the_transaction_that_the_journal_knows() -> None:
    destination = FakeDestination(100, bitmap=SET)
    destination.receipts[hash_of(1)] = make_receipt(40, hash_of(1), SET)
    receipt = await make_message(destination, told_by_journal(S.CONFIRMED, hash_of(1))).delivered("1s")
    assert (receipt.height, receipt.timestamp) == (100, 1_000)
    assert receipt.delivery is not None
    assert (receipt.delivery.tx_hash, receipt.delivery.block, receipt.delivery.timestamp) == (
        hash_of(1),
        40,
        400,
    )
    assert (receipt.delivery.told_by, receipt.delivery.is_checked) == ("journal", True)


async def test_a_receipt_stands_where_logs_can_not_be_had() -> None:
    destination = FakeDestination(100, bitmap=SET)
    destination.has_logs = False
    receipt = await make_message(destination).delivered("1s")
    assert (receipt.height, receipt.delivery) == (100, None)


async def test_hearsay_alone_is_no_receipt() -> None:
    """INV-5."""
    destination = FakeDestination(100, bitmap=0)
    destination.add(50, hash_of(1))
    with pytest.raises(DeliveryTimeout, match="its bit is not set"):
        await make_message(destination, told_by_journal(S.CONFIRMED, hash_of(1))).delivered(0.1)


async def test_a_timeout_says_what_the_relayer_waits_for() -> None:
    """INV-10."""
    waiting = make_message(FakeDestination(100, bitmap=0), told_by_journal(S.PROVEN, None))
    with pytest.raises(DeliveryTimeout, match=r"The relayer says that it waits for batch\."):
        await waiting.delivered(0.05)


async def test_the_journals_story_is_told_with_what_is_proven_now() -> None:
    destination = FakeDestination(100, bitmap=SET)
    destination.add(50, hash_of(1))
    story = await make_message(destination, told_by_journal(S.PROVEN, None)).story()
    # The journal does not know yet; the destination does.
    assert (story.told_by, story.state) == ("journal", S.PROVEN)
    assert story.proven is not None
    assert (story.proven.height, story.proven.timestamp, story.proven.is_delivered) == (100, 1_000, True)
    assert story.delivery is not None
    assert (story.delivery.tx_hash, story.delivery.told_by) == (hash_of(1), "logs")


async def test_a_message_that_was_not_delivered_has_no_delivery() -> None:
    destination = FakeDestination(100, bitmap=0)
    destination.add(50, hash_of(1))
    for message in (make_message(destination), make_message(destination, told_by_journal(S.PROVEN, None))):
        story = await message.story()
        assert story.delivery is None
        assert story.proven is not None
        assert story.proven.is_delivered is False
    assert destination.asked == []


@pytest.mark.parametrize("is_down", [True, False])
async def test_the_journals_story_is_told_though_nothing_can_be_proven(*, is_down: bool) -> None:
    destination = FakeDestination(100, bitmap=None)
    destination.is_down = is_down
    story = await make_message(destination, told_by_journal(S.CONFIRMED, hash_of(1))).story()
    assert (story.told_by, story.state, story.proven) == ("journal", S.CONFIRMED, None)
    assert story.delivery is not None
    assert (story.delivery.tx_hash, story.delivery.block, story.delivery.is_checked) == (
        hash_of(1),
        40,
        False,
    )


async def test_without_a_journal_a_destination_that_is_down_is_told_in_the_story() -> None:
    destination = FakeDestination(100)
    destination.is_down = True
    story = await make_message(destination).story()
    assert (story.told_by, story.state, story.proven) == ("chains", S.OBSERVED, None)
    assert "nothing answers" in story.steps[-1].detail["why"]


async def test_the_chains_tell_a_delivery_with_its_block_and_its_time() -> None:
    destination = FakeDestination(100, bitmap=SET)
    destination.add(50, hash_of(1))
    story = await make_message(destination).story()
    assert [(step.state, step.at_s, step.tx_hash) for step in story.steps] == [
        (S.OBSERVED, None, SENT.tx_hash),
        (S.INCLUDED, 500.0, hash_of(1)),
        (S.CONFIRMED, 1_000.0, None),
    ]
