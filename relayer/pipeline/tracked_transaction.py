# SPDX-License-Identifier: MIT
"""A transaction that is on its way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from relayer.chains.base import Address, Call, SignedTransaction, TxHash, TxReceipt
from relayer.journal.rows import Purpose, SignedAttempt, StoredBatch, TransactionRow
from relayer.protocol.delivery import Waiting


@dataclass(slots=True)
class TrackedTransaction:
    """A transaction that may still land, or whose effect is not proven yet."""

    row: TransactionRow
    purpose: Purpose
    sender: bytes
    nonce: int
    attempts: list[SignedAttempt]
    call: Call | None
    """What it calls; None where an earlier process signed bytes that can't be read."""
    batch: StoredBatch | None
    receipt: TxReceipt | None = None
    is_offered: bool = False
    offered_height: int = 0
    signed_height: int = 0
    misses: int = 0
    waiting: Waiting | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def newest(self) -> SignedAttempt:
        """The signature that counts; older ones may land all the same."""
        return self.attempts[-1]

    def signed(self) -> SignedTransaction:
        """The newest signature, as the chain takes it."""
        newest = self.newest
        return SignedTransaction(
            sender=Address(self.sender),
            nonce=self.nonce,
            tx_hash=TxHash(newest.tx_hash),
            raw=newest.raw,
            max_fee_wei=newest.max_fee_wei,
            priority_fee_wei=newest.priority_fee_wei,
            gas=newest.gas,
        )
