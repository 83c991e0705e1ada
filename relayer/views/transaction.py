# SPDX-License-Identifier: MIT
"""A transaction of ours in a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from relayer.chains.base import TxReceipt


class TransactionView(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction as a provider's receipt shows it.

    `block` is a number, `fee_wei` what was paid for its gas.
    """

    tx_hash: bytes
    block: int
    gas_used: int
    fee_wei: int


def transaction_view(receipt: TxReceipt) -> TransactionView:
    """Return the view of an included transaction."""
    return TransactionView(
        tx_hash=receipt.tx_hash,
        block=receipt.block_number,
        gas_used=receipt.gas_used,
        fee_wei=receipt.fee_wei,
    )
