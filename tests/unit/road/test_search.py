# SPDX-License-Identifier: MIT
"""Finding the transaction that delivered a message: by a journal, by logs, checked by receipts, within bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from light_clients.client import Height
from relayer.chains.base import DeliveredRange, TxHash, TxReceipt
from relayer.chains.evm.abi import DELIVERED
from relayer.chains.evm.node import Node
from relayer.consensus.open_chain import OpenChain
from relayer.errors import PostroadError, RpcAnswerInvalid, RpcRefused
from relayer.protocol.message import LaneId
from relayer.road.search import find_delivery, shows_delivery
from relayer.views.delivery import DeliveryView

GATEWAY = b"\x11" * 20
LANE = LaneId(b"l" * 32)
OTHER_LANE = LaneId(b"o" * 32)
SEQUENCE = 0x105
"""Bit 5 of page 1."""


class FakeChain:
    """What a destination's providers tell: logs by block, and receipts by hash."""

    gateway = GATEWAY

    def __init__(self, newest: int, *, most_blocks: int | None = None) -> None:
        self.newest = newest
        self.most_blocks = most_blocks
        self.logs: list[dict[str, Any]] = []
        self.receipts: dict[bytes, TxReceipt] = {}
        self.asked: list[tuple[int, int]] = []

    def add(
        self,
        block: int,
        tx_hash: bytes,
        *,
        first: int = SEQUENCE,
        mask: int = 1 << 5,
        receipt_mask: int | None = None,
        has_receipt: bool = True,
    ) -> None:
        """A `Delivered` log, and its receipt, whose mask may be another one."""
        words = (first, 1, mask)
        self.logs.append(
            {
                "address": "0x" + GATEWAY.hex(),
                "topics": ["0x" + DELIVERED.hex(), "0x" + LANE.hex()],
                "data": "0x" + b"".join(word.to_bytes(32) for word in words).hex(),
                "blockNumber": hex(block),
                "blockHash": "0x" + "bb" * 32,
                "transactionHash": "0x" + tx_hash.hex(),
                "logIndex": "0x0",
            }
        )
        if has_receipt:
            self.receipts[tx_hash] = make_receipt(
                block, tx_hash, mask if receipt_mask is None else receipt_mask
            )

    async def receipt(self, tx_hash: TxHash) -> TxReceipt | None:
        return self.receipts.get(tx_hash)

    async def block(self, number: Height) -> Mapping[str, Any]:
        return {"timestamp": hex(number * 10)}

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        if method == "eth_getBlockByNumber":
            return {"number": hex(self.newest)}
        assert method == "eth_getLogs"
        (query,) = params
        assert query["topics"] == ["0x" + DELIVERED.hex(), "0x" + LANE.hex()]
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        self.asked.append((first, last))
        if self.most_blocks is not None and last - first >= self.most_blocks:
            raise RpcRefused(-32005, "too many blocks")
        return [log for log in self.logs if first <= int(log["blockNumber"], 16) <= last]

    def opened(self) -> OpenChain:
        unused: Any = None
        chain: Any = self
        return OpenChain("port", chain, unused, Node("port", self.request), unused)


def make_receipt(block: int, tx_hash: bytes, mask: int) -> TxReceipt:
    delivered = (DeliveredRange(LANE, SEQUENCE, 1, mask),)
    return TxReceipt(TxHash(tx_hash), Height(block), b"B" * 32, True, 1, 1, delivered, ())


def from_journal(tx_hash: bytes) -> DeliveryView:
    return DeliveryView(tx_hash=tx_hash, block=40, timestamp=None, told_by="journal", is_checked=False)


def hash_of(number: int) -> bytes:
    return number.to_bytes(32)


async def test_what_a_journal_tells_is_checked_with_its_receipt() -> None:
    chain = FakeChain(100)
    chain.receipts[hash_of(1)] = make_receipt(40, hash_of(1), 1 << 5)
    found = await find_delivery(chain.opened(), LANE, SEQUENCE, from_journal(hash_of(1)))
    assert found == DeliveryView(
        tx_hash=hash_of(1), block=40, timestamp=400, told_by="journal", is_checked=True
    )
    assert chain.asked == []


async def test_a_journals_transaction_that_was_too_late_gives_way_to_the_one_that_delivered() -> None:
    chain = FakeChain(100)
    chain.receipts[hash_of(1)] = make_receipt(40, hash_of(1), 0)
    chain.add(39, hash_of(2))
    found = await find_delivery(chain.opened(), LANE, SEQUENCE, from_journal(hash_of(1)))
    assert found == DeliveryView(tx_hash=hash_of(2), block=39, timestamp=390, told_by="logs", is_checked=True)


async def test_a_journals_transaction_without_a_receipt_is_told_unchecked() -> None:
    known = from_journal(hash_of(1))
    assert await find_delivery(FakeChain(100).opened(), LANE, SEQUENCE, known) == known


async def test_logs_of_other_messages_are_passed_over() -> None:
    chain = FakeChain(100)
    chain.add(10, hash_of(1))
    chain.add(20, hash_of(2), mask=1 << 6)
    # The same bit of another page.
    chain.add(30, hash_of(3), first=0x205)
    found = await find_delivery(chain.opened(), LANE, SEQUENCE)
    assert found is not None
    assert (found.tx_hash, found.block, found.timestamp) == (hash_of(1), 10, 100)


async def test_a_log_that_its_receipt_contradicts_is_not_believed() -> None:
    chain = FakeChain(100)
    chain.add(50, hash_of(1), receipt_mask=0)
    chain.add(40, hash_of(2))
    found = await find_delivery(chain.opened(), LANE, SEQUENCE)
    assert found is not None
    assert found.tx_hash == hash_of(2)
    chain.logs.pop()
    assert await find_delivery(chain.opened(), LANE, SEQUENCE) is None


async def test_a_log_without_a_receipt_is_told_unchecked() -> None:
    chain = FakeChain(100)
    chain.add(50, hash_of(1), has_receipt=False)
    found = await find_delivery(chain.opened(), LANE, SEQUENCE)
    assert found == DeliveryView(
        tx_hash=hash_of(1), block=50, timestamp=None, told_by="logs", is_checked=False
    )


async def test_ranges_grow_backwards_from_the_newest_block_and_end_with_the_chain() -> None:
    chain = FakeChain(30_000)
    assert await find_delivery(chain.opened(), LANE, SEQUENCE) is None
    assert chain.asked == [(21_809, 30_000), (5_425, 21_808), (0, 5_424)]


async def test_a_provider_that_refuses_long_ranges_is_asked_for_shorter_ones() -> None:
    chain = FakeChain(10_000, most_blocks=2_048)
    chain.add(5_000, hash_of(1))
    found = await find_delivery(chain.opened(), LANE, SEQUENCE)
    assert found is not None
    assert found.block == 5_000
    assert max(last - first + 1 for first, last in chain.asked[2:]) == 2_048


async def test_the_search_is_bounded() -> None:
    chain = FakeChain(1 << 60)
    chain.add(5, hash_of(1))
    assert await find_delivery(chain.opened(), LANE, SEQUENCE) is None
    assert len(chain.asked) == 32


async def test_a_provider_that_refuses_every_range_is_told() -> None:
    chain = FakeChain(10_000, most_blocks=0)
    with pytest.raises(PostroadError, match="refuses the logs"):
        await find_delivery(chain.opened(), LANE, SEQUENCE)


async def test_a_log_of_another_shape_is_the_providers_fault() -> None:
    chain = FakeChain(100)
    chain.add(50, hash_of(1))
    chain.logs[0]["topics"] = None
    with pytest.raises(RpcAnswerInvalid, match="another shape"):
        await find_delivery(chain.opened(), LANE, SEQUENCE)


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
