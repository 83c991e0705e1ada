# SPDX-License-Identifier: MIT
"""The transactions of an in-memory chain that wait for a block, and the rules by which nodes take them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from light_clients.hashing import keccak256
from relayer.chains.base import Address, Refusal, TxHash

_GWEI: Final = 10**9
#: An account that no test has given a balance can pay for anything.
RICH_WEI: Final = 10**24

#: Why a node does not take a transaction, and its words.
Refused = tuple[Refusal, str]


class MemoryTransaction(msgspec.Struct, frozen=True):
    """A transaction. Its msgpack encoding is what is broadcast in place of signed bytes."""

    sender: bytes
    nonce: int
    to: bytes
    data: bytes
    gas: int
    max_fee_wei: int
    priority_fee_wei: int
    value_wei: int = 0
    is_legacy: bool = False

    @property
    def tx_hash(self) -> TxHash:
        """The hash of the encoding."""
        return TxHash(keccak256(msgspec.msgpack.encode(self)))

    @property
    def upfront_wei(self) -> int:
        """The most that it may cost: what the account must have when its block is made."""
        return self.gas * self.max_fee_wei + self.value_wei

    def price_wei(self, base_fee_wei: int) -> int:
        """What it pays for a unit of gas at a base fee."""
        if self.is_legacy:
            return self.max_fee_wei
        return min(self.max_fee_wei, base_fee_wei + self.priority_fee_wei)


@dataclass(slots=True)
class MemoryRules:
    """What a chain and its nodes take. A test may change it at any time.

    Attributes:
        is_legacy: the chain has no base fee and no transactions of type 2.
        empty_blocks: whether `mine` makes blocks with nothing in them.
        pool_checks_balance: whether a node refuses what its sender can't pay (geth). Otherwise it takes that,
            and no block ever has it (Besu 26.8).
        least_tip_wei: the least tip that a node takes, or without a base fee the least price.
        most_bytes: the most bytes of a transaction; None for no limit.
        most_gas: the most gas of one; None for no limit.
        most_gap: how many lower nonces may be missing; None for no limit.
        suggested_wei: what nodes suggest to pay: as a tip, or without a base fee as the price.
    """

    is_legacy: bool = False
    empty_blocks: bool = True
    pool_checks_balance: bool = True
    least_tip_wei: int = 0
    most_bytes: int | None = None
    most_gas: int | None = None
    most_gap: int | None = None
    suggested_wei: int = _GWEI


class MemoryPool:
    """Transactions by account and nonce; gaps may be between them.

    Args:
        rules: what is taken.
        count: says how many transactions of an account are in blocks.
        balance: says what an account has, in wei.
    """

    def __init__(
        self, rules: MemoryRules, count: Callable[[Address], int], balance: Callable[[Address], int]
    ) -> None:
        self._rules = rules
        self._count = count
        self._balance = balance
        self._waiting: dict[tuple[Address, int], MemoryTransaction] = {}

    def __contains__(self, place: tuple[Address, int]) -> bool:
        """Whether a transaction of this account and nonce waits."""
        return place in self._waiting

    def __iter__(self) -> Iterator[MemoryTransaction]:
        """Yield what waits, by account and nonce."""
        return iter([transaction for _, transaction in sorted(self._waiting.items())])

    def judge(self, transaction: MemoryTransaction, size: int) -> Refused | None:
        """Return why a node refuses a transaction of `size` bytes; None where it takes it, or has it."""
        sender, rules = Address(transaction.sender), self._rules
        gap = transaction.nonce - self.next_nonce(sender)
        least_price = transaction.max_fee_wei if rules.is_legacy else transaction.priority_fee_wei
        before = self._waiting.get((sender, transaction.nonce))
        for is_refused, refusal, words in (
            (
                rules.is_legacy and not transaction.is_legacy,
                Refusal.TYPE_UNSUPPORTED,
                "transaction type not supported",
            ),
            (
                rules.most_bytes is not None and size > rules.most_bytes,
                Refusal.TOO_LARGE,
                f"oversized data: transaction size {size}, limit {rules.most_bytes}",
            ),
            (
                rules.most_gas is not None and transaction.gas > rules.most_gas,
                Refusal.TOO_MUCH_GAS,
                "exceeds block gas limit",
            ),
            (transaction.nonce < self._count(sender), Refusal.NONCE_USED, "nonce too low"),
            (
                rules.most_gap is not None and gap > rules.most_gap,
                Refusal.NONCE_TOO_FAR,
                "nonce is too distant",
            ),
            (
                rules.pool_checks_balance and transaction.upfront_wei > self._balance(sender),
                Refusal.UNFUNDED,
                "insufficient funds for gas * price + value",
            ),
            (least_price < rules.least_tip_wei, Refusal.UNDERPRICED, "transaction underpriced"),
            (
                before is not None and before != transaction and not _outbids(transaction, before),
                Refusal.UNDERPRICED,
                "replacement transaction underpriced",
            ),
        ):
            if is_refused:
                return refusal, words
        return None

    def put(self, transaction: MemoryTransaction) -> None:
        """Let a transaction wait, in place of another one of its nonce."""
        self._waiting[Address(transaction.sender), transaction.nonce] = transaction

    def drop(self, sender: Address, nonce: int) -> None:
        """Forget what waits with this nonce, as a node does that was restarted."""
        self._waiting.pop((sender, nonce), None)

    def next_nonce(self, sender: Address) -> int:
        """Return the account's count with those that wait without a gap."""
        count = self._count(sender)
        while (sender, count) in self._waiting:
            count += 1
        return count

    def can_include(self, transaction: MemoryTransaction, base_fee_wei: int) -> bool:
        """Whether the next block may have a transaction, after those before it."""
        sender = Address(transaction.sender)
        return (
            self._count(sender) == transaction.nonce
            and transaction.max_fee_wei >= base_fee_wei
            and transaction.upfront_wei <= self._balance(sender)
        )


def _outbids(transaction: MemoryTransaction, before: MemoryTransaction) -> bool:
    """Whether both prices are a tenth higher. Where gas is free, the same price of 0 will do (Besu)."""
    prices = (
        (transaction.max_fee_wei, before.max_fee_wei),
        (transaction.priority_fee_wei, before.priority_fee_wei),
    )
    return all(10 * now >= 11 * earlier for now, earlier in prices)
