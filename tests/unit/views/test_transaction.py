# SPDX-License-Identifier: MIT
"""A transaction of ours, as it is shown."""

from __future__ import annotations

from relayer.views.encoding import to_plain
from relayer.views.transaction import transaction_view
from tests.unit.views.samples import make_receipt


def test_an_included_transaction() -> None:
    assert to_plain(transaction_view(make_receipt())) == {
        "tx_hash": "0x" + "64" * 32,
        "block": 40,
        "gas_used": 90_000,
        "fee_wei": 7,
    }
