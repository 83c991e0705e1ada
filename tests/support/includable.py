# SPDX-License-Identifier: MIT
"""Which signed transactions could both be included: what INV-6 forbids for two that carry one message.

Two signatures of one account and one nonce exclude each other by the rule of every chain, so a replacement
is harmless. Two of different nonces do not: both can be included until one of the nonces is used, by
whatever transaction. So at the moment when a transaction is signed, the nonces of all earlier ones that carry
one of its messages must be used in a block; else that message is signed for twice.

When a nonce was used is the chain's word, and the journal is not asked for it: a block's birth lies after the
last moment when the chain was seen without it. A signature that is older than that moment is older than the
block. One between that moment and the birth passes, so that the check never accuses wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from relayer.journal.reading import Reading
from relayer.journal.rows import StoredTransaction, TransactionRow
from relayer.protocol.message import PAGE_BITS

_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Nonce:
    """One nonce of one account; `chain` is the chain's name."""

    chain: str
    sender: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction as the journal has it.

    Attributes:
        signed_at: when it was signed first, in microseconds since 1970.
        messages: what it carries, as rows of lanes and sequences.
    """

    nonce: Nonce
    signed_at: int
    messages: frozenset[tuple[int, int]]


def find_both_includable(
    signed: Iterable[Signed], used_after: Mapping[Nonce, int]
) -> list[tuple[Signed, Signed]]:
    """Return the pairs of transactions that carry one message and could both be included at one time.

    Args:
        signed: all transactions, in any order.
        used_after: by nonce that the chain shows as used, the last moment when the block with it was not
            there yet, in microseconds since 1970.
    """
    carriers: dict[tuple[int, int], list[Signed]] = {}
    pairs: dict[tuple[Signed, Signed], None] = {}
    for later in sorted(signed, key=lambda transaction: transaction.signed_at):
        for message in later.messages:
            for earlier in carriers.setdefault(message, []):
                used = used_after.get(earlier.nonce)
                if earlier.nonce != later.nonce and (used is None or later.signed_at < used):
                    pairs[earlier, later] = None
            carriers[message].append(later)
    return list(pairs)


def read_transactions(reading: Reading) -> list[StoredTransaction]:
    """Return all transactions of a journal."""
    found: list[StoredTransaction] = []
    start = 1
    while several := reading.transactions(TransactionRow(start + i) for i in range(_ROWS_AT_ONCE)):
        found += several
        start += _ROWS_AT_ONCE
    return found


def read_signed(reading: Reading, transactions: Iterable[StoredTransaction]) -> list[Signed]:
    """Return transactions with the messages that they carry."""
    stored = list(transactions)
    chains = {chain.row: chain.name for chain in reading.chains()}
    carried: dict[TransactionRow, set[tuple[int, int]]] = {}
    for batch in reading.batches_of(transaction.row for transaction in stored):
        carried.setdefault(batch.transaction, set()).update(
            (batch.lane, (batch.page << PAGE_BITS) + bit) for bit in range(256) if batch.mask >> bit & 1
        )
    return [
        Signed(
            Nonce(chains[transaction.chain], transaction.sender, transaction.nonce),
            transaction.signed_at,
            frozenset(carried.get(transaction.row, ())),
        )
        for transaction in stored
    ]
