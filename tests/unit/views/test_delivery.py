# SPDX-License-Identifier: MIT
"""Deliveries, receipts and deliveries by hand, as they are shown."""

from __future__ import annotations

import pytest

from relayer.road.deliver import HandDelivery, HandOutcome
from relayer.road.receipt import Receipt
from relayer.views.delivery import DeliveryView, proven_view
from relayer.views.encoding import to_plain
from tests.unit.views.samples import HEADER, MESSAGE, make_receipt

DELIVERY = DeliveryView(tx_hash=b"d" * 32, block=40, timestamp=1_800, told_by="logs", is_checked=True)


def test_a_receipt_tells_the_proof_and_apart_from_it_who_delivered() -> None:
    receipt = Receipt(MESSAGE.id, MESSAGE.lane_id, 7, b"\x80".rjust(32, b"\0"), HEADER, b"proof", DELIVERY)
    assert (receipt.height, receipt.timestamp) == (50, 1_900)
    assert to_plain(receipt.view()) == {
        "height": 50,
        "timestamp": 1_900,
        "block_hash": "0x" + "48" * 32,
        "state_root": "0x" + "52" * 32,
        "word": "0x" + "00" * 31 + "80",
        "proof": "0x" + b"proof".hex(),
        "delivery": {
            "tx_hash": "0x" + "64" * 32,
            "block": 40,
            "timestamp": 1_800,
            "told_by": "logs",
            "is_checked": True,
        },
    }


def test_a_receipt_stands_without_hearsay() -> None:
    receipt = Receipt(MESSAGE.id, MESSAGE.lane_id, 7, bytes(32), HEADER, b"")
    view = to_plain(receipt.view())
    assert isinstance(view, dict)
    assert view["delivery"] is None


def test_a_proof_says_whether_the_bit_is_set() -> None:
    assert to_plain(proven_view(HEADER, is_delivered=False)) == {
        "height": 50,
        "timestamp": 1_900,
        "is_delivered": False,
    }


@pytest.mark.parametrize("result", list(HandDelivery))
def test_a_delivery_by_hand_with_and_without_a_transaction(result: HandDelivery) -> None:
    outcome = HandOutcome(result, HEADER, make_receipt(), b"\x01")
    assert to_plain(outcome.view(MESSAGE.id)) == {
        "id": "0x" + MESSAGE.id.hex(),
        "result": result.value,
        "source_block": 50,
        "tx_hash": "0x" + "64" * 32,
        "block": 40,
        "gas_used": 90_000,
        "fee_wei": 7,
        "reason": "0x01",
    }
    without = to_plain(HandOutcome(result, HEADER).view(MESSAGE.id))
    assert isinstance(without, dict)
    assert [without[key] for key in ("tx_hash", "block", "gas_used", "fee_wei", "reason")] == [
        None,
        None,
        None,
        None,
        "0x",
    ]
