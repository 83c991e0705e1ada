# SPDX-License-Identifier: MIT
"""Finding the transaction that delivered a message: by a journal or by logs, checked, within bounds."""

from __future__ import annotations

import pytest

from relayer.chains.base import DeliveredRange
from relayer.errors import PostroadError, RpcAnswerInvalid
from relayer.protocol.message import LaneId
from relayer.road.search import find_delivery, shows_delivery
from relayer.views.delivery import DeliveryView
from tests.unit.road.destination import LANE, SEQUENCE, FakeDestination, hash_of, make_receipt

OTHER_LANE = LaneId(b"o" * 32)


def from_journal(tx_hash: bytes) -> DeliveryView:
    return DeliveryView(tx_hash=tx_hash, block=40, timestamp=None, told_by="journal", is_checked=False)


async def test_what_a_journal_tells_is_checked_with_its_receipt() -> None:
    chain = FakeDestination(100)
    chain.receipts[hash_of(1)] = make_receipt(40, hash_of(1), 1 << 5)
    found = await find_delivery(chain.opened(), LANE, SEQUENCE, from_journal(hash_of(1)))
    assert found == DeliveryView(
        tx_hash=hash_of(1), block=40, timestamp=400, told_by="journal", is_checked=True
    )
    assert chain.asked == []


async def test_a_journals_transaction_that_was_too_late_gives_way_to_the_one_that_delivered() -> None:
    chain = FakeDestination(100)
    chain.receipts[hash_of(1)] = make_receipt(40, hash_of(1), 0)
    chain.add(39, hash_of(2))
    found = await find_delivery(chain.opened(), LANE, SEQUENCE, from_journal(hash_of(1)))
    assert found == DeliveryView(tx_hash=hash_of(2), block=39, timestamp=390, told_by="logs", is_checked=True)


async def test_a_journals_transaction_without_a_receipt_is_told_unchecked() -> None:
    known = from_journal(hash_of(1))
    assert await find_delivery(FakeDestination(100).opened(), LANE, SEQUENCE, known) == known


async def test_logs_of_other_messages_are_passed_over() -> None:
    chain = FakeDestination(100)
    chain.add(10, hash_of(1))
    chain.add(20, hash_of(2), mask=1 << 6)
    # The same bit of another page.
    chain.add(30, hash_of(3), first=0x205)
    found = await find_delivery(chain.opened(), LANE, SEQUENCE)
    assert found is not None
    assert (found.tx_hash, found.block, found.timestamp) == (hash_of(1), 10, 100)


async def test_a_log_that_its_receipt_contradicts_is_not_believed() -> None:
    chain = FakeDestination(100)
    chain.add(50, hash_of(1), receipt_mask=0)
    chain.add(40, hash_of(2))
    found = await find_delivery(chain.opened(), LANE, SEQUENCE)
    assert found is not None
    assert found.tx_hash == hash_of(2)
    chain.logs.pop()
    assert await find_delivery(chain.opened(), LANE, SEQUENCE) is None


async def test_a_log_without_a_receipt_is_told_unchecked() -> None:
    chain = FakeDestination(100)
    chain.add(50, hash_of(1), has_receipt=False)
    found = await find_delivery(chain.opened(), LANE, SEQUENCE)
    assert found == DeliveryView(
        tx_hash=hash_of(1), block=50, timestamp=None, told_by="logs", is_checked=False
    )


async def test_ranges_grow_backwards_from_the_newest_block_and_end_with_the_chain() -> None:
    chain = FakeDestination(30_000)
    assert await find_delivery(chain.opened(), LANE, SEQUENCE) is None
    assert chain.asked == [(21_809, 30_000), (5_425, 21_808), (0, 5_424)]


async def test_a_provider_that_refuses_long_ranges_is_asked_for_shorter_ones() -> None:
    chain = FakeDestination(10_000, most_blocks=2_048)
    chain.add(5_000, hash_of(1))
    found = await find_delivery(chain.opened(), LANE, SEQUENCE)
    assert found is not None
    assert found.block == 5_000
    assert max(last - first + 1 for first, last in chain.asked[2:]) == 2_048


async def test_the_search_is_bounded() -> None:
    chain = FakeDestination(1 << 60)
    chain.add(5, hash_of(1))
    assert await find_delivery(chain.opened(), LANE, SEQUENCE) is None
    assert len(chain.asked) == 32


async def test_a_provider_that_refuses_every_range_is_told() -> None:
    chain = FakeDestination(10_000, most_blocks=0)
    with pytest.raises(PostroadError, match="refuses the logs"):
        await find_delivery(chain.opened(), LANE, SEQUENCE)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("topics", None),
        ("data", 7),
        ("transactionHash", "0xzz"),
        ("transactionHash", "0x12"),
        ("blockNumber", "x"),
    ],
)
async def test_a_log_of_another_shape_is_the_providers_fault(key: str, value: object) -> None:
    chain = FakeDestination(100)
    chain.add(50, hash_of(1))
    sound = dict(chain.logs[0])
    # What the provider filters by stays: only the reader sees what is wrong.
    chain.serve = lambda: [sound | {key: value}]
    with pytest.raises(RpcAnswerInvalid):
        await find_delivery(chain.opened(), LANE, SEQUENCE)


async def test_a_transaction_is_told_though_its_block_is_not() -> None:
    chain = FakeDestination(100)
    chain.add(50, hash_of(1))
    chain.has_blocks = False
    found = await find_delivery(chain.opened(), LANE, SEQUENCE)
    assert found == DeliveryView(
        tx_hash=hash_of(1), block=50, timestamp=None, told_by="logs", is_checked=True
    )


@pytest.mark.parametrize(
    ("delivered", "shown"),
    [
        (DeliveredRange(LANE, 0x105, 1, 1 << 5), True),
        (DeliveredRange(LANE, 0x100, 9, 1 << 5), True),
        (DeliveredRange(LANE, 0x105, 1, 1 << 4), False),
        (DeliveredRange(LANE, 0x005, 1, 1 << 5), False),
        (DeliveredRange(OTHER_LANE, 0x105, 1, 1 << 5), False),
    ],
)
def test_an_event_shows_a_message_by_lane_page_and_bit(delivered: DeliveredRange, *, shown: bool) -> None:
    assert shows_delivery([delivered], LANE, SEQUENCE) is shown
