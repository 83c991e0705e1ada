# SPDX-License-Identifier: MIT
"""A transaction of ours: in a block, or on the way there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from relayer.journal.rows import MICROS_PER_S, Purpose, TransactionState
from relayer.protocol.delivery import WaitingReason

if TYPE_CHECKING:
    from relayer.chains.base import TxReceipt
    from relayer.journal.rows import StoredTransaction


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


class SignedTransactionView(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that the journal, or the manifest of a deployment, knows as signed.

    Attributes:
        id: its number in the journal; None for one of the manifest, which has its hashes alone.
        step: the step of the deployment that it does; None for one of the journal, and for an empty transfer.
        chain: the configured name of its chain.
        account: who signed it, 20 bytes.
        nonce: the account's nonce.
        purpose: what it is for.
        state: what became of its nonce.
        tx_hash: of the signature in the block, else of the newest one.
        block: the number of its block; None while it is in none.
        attempts: how many signatures were made for the nonce.
        max_fee_wei: the most that the newest one offers for a unit of gas.
        priority_fee_wei: the tip within it.
        is_cancelled: whether the one with `tx_hash` is an empty transfer that only uses the nonce up.
        reason: why it is in no block; None where it is in one, or can be in none any more.
        detail: what makes the reason concrete, one line; may be empty.
        since: when it was signed first, seconds since 1970; 0 where an older manifest does not say.
    """

    id: int | None
    step: str | None
    chain: str
    account: bytes
    nonce: int
    purpose: Purpose
    state: TransactionState
    tx_hash: bytes
    block: int | None
    attempts: int
    max_fee_wei: int
    priority_fee_wei: int
    is_cancelled: bool
    reason: WaitingReason | None
    detail: str
    since: float


class OpenTransactionsView(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the journal's open transactions. `next` is where the next answer goes on; None at the end."""

    transactions: tuple[SignedTransactionView, ...]
    next: int | None


class SteeredTransactionView(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a wish of an operator.

    Attributes:
        wish: `replace` or `cancel`.
        by: `daemon` where the one that holds the journal was asked, `command` where none runs.
        transaction: as it is afterwards.
    """

    wish: str
    by: Literal["daemon", "command"]
    transaction: SignedTransactionView


def signed_transaction_view(stored: StoredTransaction, chain: str) -> SignedTransactionView:
    """Return the view of a transaction as the journal has it; `chain` is the name of its chain."""
    newest, is_open = stored.attempts[-1], stored.state is TransactionState.OPEN
    shown = next((made for made in stored.attempts if made.tx_hash == stored.included_hash), newest)
    reason = None if stored.waiting is None else stored.waiting.reason
    return SignedTransactionView(
        id=stored.row,
        step=None,
        chain=chain,
        account=stored.sender,
        nonce=stored.nonce,
        purpose=stored.purpose,
        state=stored.state,
        tx_hash=shown.tx_hash,
        block=stored.block_number,
        attempts=len(stored.attempts),
        max_fee_wei=newest.max_fee_wei,
        priority_fee_wei=newest.priority_fee_wei,
        is_cancelled=shown.is_cancellation,
        # What says nothing new is not written down: it waits for a block.
        reason=(reason or WaitingReason.INCLUSION) if is_open else None,
        detail=stored.waiting.detail if stored.waiting is not None and is_open else "",
        since=stored.signed_at / MICROS_PER_S,
    )


def deployment_transaction_view(stored: StoredTransaction, chain: str, step: str) -> SignedTransactionView:
    """Return the view of a transaction as the manifest has it; `step` is empty for an empty transfer."""
    return msgspec.structs.replace(signed_transaction_view(stored, chain), id=None, step=step or None)
