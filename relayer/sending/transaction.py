# SPDX-License-Identifier: MIT
"""A transaction between its signature and the proof of its effect, and what may become of it. Pure.

A transaction is an account's use of one nonce. It may have several signatures, of which the chain takes at
most one. One of them may be a cancellation: an empty transfer of the account to itself, which uses the nonce
up for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from relayer.chains.base import Address, Call, GasPrice, NodeAnswer, SignedTransaction, TxReceipt
from relayer.journal.rows import Micros, Purpose, SignedAttempt, StoredBatch, TransactionRow
from relayer.protocol.delivery import Waiting, WaitingReason

#: What the transfer of a cancellation or of a gap's filler costs; every EVM chain asks for so much.
TRANSFER_GAS = 21_000


@dataclass(slots=True)
class Transaction:
    """A transaction that may still land, or whose effect is not proven yet. Times are monotonic seconds.

    Attributes:
        row: the row of whoever keeps the signed bytes.
        purpose: what it is for.
        sender: the account that signed it, 20 bytes.
        nonce: the account's nonce.
        attempts: the signatures made for the nonce, oldest first.
        call: what it calls; None where an earlier process signed bytes that can't be read.
        batch: the messages that it carries; None where it delivers none.
        receipt: what a provider shows of it in a block; None before.
        doubts: how often a receipt of it was disproved.
        is_taken: whether a node may have it: one took it, or an earlier process may have offered it.
        refusal: what was said to the newest signature when no node took it; None where one did.
        unreached: what went wrong when no provider answered to the newest signature; empty where one did.
        offers: how often the newest signature was offered.
        offered_at: when it was offered last.
        offered_height: the head's height then.
        signed_at: when the newest signature was made.
        signed_height: the head's height then.
        raises: how often its price was raised.
        is_missing: whether every provider that answered at the last look said that it is in no block. False
            where they were not all asked, or none answered.
        misses: at how many looks in a row its nonce was used and no receipt found.
        refused_since: since when no node takes the newest signature for a reason that is not understood.
        is_legacy: whether the newest signature is of type 0. False where an earlier process made it.
        cancelling: why a cancellation is wanted or signed; empty where none is.
        waiting: why it is in no block yet.
        told: the reason that was written down last; None before the first.
    """

    row: TransactionRow
    purpose: Purpose
    sender: Address
    nonce: int
    attempts: list[SignedAttempt]
    call: Call | None
    batch: StoredBatch | None
    receipt: TxReceipt | None = None
    doubts: int = 0
    is_taken: bool = False
    refusal: NodeAnswer | None = None
    unreached: str = ""
    offers: int = 0
    offered_at: float = 0.0
    offered_height: int = 0
    signed_at: float = 0.0
    signed_height: int = 0
    raises: int = 0
    is_missing: bool = False
    misses: int = 0
    refused_since: float | None = None
    is_legacy: bool = False
    cancelling: str = ""
    told: Waiting | None = None
    waiting: Waiting = field(default=Waiting(WaitingReason.INCLUSION, "it is signed, and not offered yet"))

    @property
    def newest(self) -> SignedAttempt:
        """The signature that was made last. An older one may land all the same."""
        return self.attempts[-1]

    @property
    def price(self) -> GasPrice:
        """What the newest signature offers for a unit of gas."""
        return GasPrice(self.newest.max_fee_wei, self.newest.priority_fee_wei)

    @property
    def most_cost_wei(self) -> int:
        """The most that any of its signatures can cost."""
        value = 0 if self.call is None else self.call.value_wei
        return max(attempt.gas * attempt.max_fee_wei for attempt in self.attempts) + value

    @property
    def is_cancelled(self) -> bool:
        """Whether the signature in the block is a cancellation, so that nothing was done."""
        return self.receipt is not None and any(
            attempt.is_cancellation and attempt.tx_hash == self.receipt.tx_hash for attempt in self.attempts
        )


@dataclass(slots=True)
class Outcomes:
    """What one look at the chain found, to be written at once.

    Attributes:
        included: the transactions that are in a block now.
        displaced: those whose nonce another one took.
        given_up: those that are waited for no longer, with the reason.
        reopened: those whose block is gone, or whose receipt was false.
        settled: those of which a verified header shows that their nonce is used.
    """

    included: list[Transaction] = field(default_factory=list)
    displaced: list[Transaction] = field(default_factory=list)
    given_up: list[tuple[Transaction, str]] = field(default_factory=list)
    reopened: list[Transaction] = field(default_factory=list)
    settled: list[Transaction] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.included or self.displaced or self.given_up or self.reopened or self.settled)


def make_attempt(signed: SignedTransaction, at: Micros, *, is_cancellation: bool = False) -> SignedAttempt:
    """Return a signature as it is kept; `at` is the wall clock."""
    return SignedAttempt(
        tx_hash=signed.tx_hash,
        raw=signed.raw,
        gas=signed.gas,
        max_fee_wei=signed.max_fee_wei,
        priority_fee_wei=signed.priority_fee_wei,
        at=at,
        is_cancellation=is_cancellation,
    )


def wasted_gas(transaction: Transaction) -> int:
    """Return the gas of a transaction in a block that moved nothing.

    It reverted, or all messages of its batch were delivered before.
    """
    receipt, batch = transaction.receipt, transaction.batch
    if receipt is None:
        return 0
    moved = batch is None or bool(receipt.events) or any(part.mask for part in receipt.delivered)
    return 0 if receipt.succeeded and moved else receipt.gas_used
