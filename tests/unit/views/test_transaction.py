# SPDX-License-Identifier: MIT
"""A transaction of ours, as it is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relayer.journal.rows import (
    ChainRow,
    Micros,
    Purpose,
    SignedAttempt,
    StoredTransaction,
    TransactionRow,
    TransactionState,
)
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.views.encoding import to_plain
from relayer.views.transaction import deployment_transaction_view, signed_transaction_view, transaction_view
from tests.unit.views.samples import make_receipt


def test_an_included_transaction() -> None:
    assert to_plain(transaction_view(make_receipt())) == {
        "tx_hash": "0x" + "64" * 32,
        "block": 40,
        "gas_used": 90_000,
        "fee_wei": 7,
    }


def test_an_open_transaction_tells_why_it_waits() -> None:
    stored = StoredTransaction(
        row=TransactionRow(3),
        chain=ChainRow(1),
        purpose=Purpose.DELIVER,
        sender=b"\x01" * 20,
        nonce=7,
        state=TransactionState.OPEN,
        signed_at=Micros(1_500_000),
        attempts=(
            SignedAttempt(b"\x0a" * 32, b"raw", 21_000, 5, 1, Micros(1_500_000)),
            SignedAttempt(b"\x0b" * 32, b"raw", 21_000, 9, 2, Micros(2_500_000), is_cancellation=True),
        ),
        waiting=Waiting(WaitingReason.FUNDS, "empty"),
    )
    shown = to_plain(signed_transaction_view(stored, "port"))
    assert shown == {
        "id": 3,
        "step": None,
        "chain": "port",
        "account": "0x" + "01" * 20,
        "nonce": 7,
        "purpose": "deliver",
        "state": "open",
        "tx_hash": "0x" + "0b" * 32,
        "block": None,
        "attempts": 2,
        "max_fee_wei": 9,
        "priority_fee_wei": 2,
        "is_cancelled": True,
        "reason": "funds",
        "detail": "empty",
        "since": 1.5,
    }
    quiet = signed_transaction_view(replace(stored, waiting=None), "port")
    assert (quiet.reason, quiet.detail) == (WaitingReason.INCLUSION, "")
    landed = replace(stored, state=TransactionState.INCLUDED, included_hash=b"\x0a" * 32, block_number=40)
    view = signed_transaction_view(landed, "port")
    assert (view.tx_hash, view.block, view.reason, view.detail) == (b"\x0a" * 32, 40, None, "")
    # The cancellation is the newest signature, and is not what landed.
    assert not view.is_cancelled


@pytest.mark.parametrize(("step", "shown"), [("gateway", "gateway"), ("", None)])
def test_a_transaction_of_a_deployment_has_a_step_and_no_number(step: str, shown: str | None) -> None:
    made = SignedAttempt(b"\x0a" * 32, b"raw", 21_000, 5, 1, Micros(1_500_000))
    stored = StoredTransaction(
        row=TransactionRow(1),
        chain=ChainRow(0),
        purpose=Purpose.OTHER,
        sender=b"\x01" * 20,
        nonce=7,
        state=TransactionState.OPEN,
        signed_at=Micros(1_500_000),
        attempts=(made,),
    )
    view = deployment_transaction_view(stored, "port", step)
    assert (view.id, view.step, view.tx_hash, view.since) == (None, shown, b"\x0a" * 32, 1.5)
