# SPDX-License-Identifier: MIT
"""A transaction between its signature and the proof of its effect, as one chain's task follows it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from relayer.chains.base import Address, Call, SignedTransaction, TxHash, TxReceipt
from relayer.journal.rows import Purpose, SignedAttempt, StoredBatch, TransactionRow
from relayer.protocol.delivery import Waiting


@dataclass(slots=True)
class TrackedTransaction:
    """A transaction that may still land, or whose effect is not proven yet.

    Attributes:
        row: the journal's row.
        purpose: what it is for.
        sender: the account that signed it, 20 bytes.
        nonce: the account's nonce.
        attempts: the signatures made for the nonce, oldest first.
        call: what it calls; None where an earlier process signed bytes that can't be read.
        batch: the messages that it carries; None where it delivers none.
        receipt: what a provider shows of it in a block; None before.
        is_offered: whether this process has shown it to the chain.
        offered_height: the head's height when it was broadcast last.
        signed_height: the head's height when it was signed last.
        misses: at how many heads in a row its nonce was taken and no receipt found.
        waiting: why it is in no block yet, where that is known.
        settled: set once nothing more is expected of it.
    """

    row: TransactionRow
    purpose: Purpose
    sender: bytes
    nonce: int
    attempts: list[SignedAttempt]
    call: Call | None
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
        """The signature that was made last. An older one may land all the same."""
        return self.attempts[-1]

    def signed(self) -> SignedTransaction:
        """Return the newest signature in the form that Chain.replace takes."""
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
