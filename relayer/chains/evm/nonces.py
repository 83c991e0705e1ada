# SPDX-License-Identifier: MIT
"""Nonces of several accounts of one chain: no gap, no reuse, the least busy account first.

Nonces are kept in memory alone. After a restart the chain's own count says where to go on, and transactions
that the journal broadcasts again are adopted with their nonces.

A nonce is taken, then recorded with the transaction that has it, then settled when that one is included. A
taken nonce whose transaction is never broadcast is given back, and the next transaction takes it first.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from relayer.chains.base import Address, TxHash
from relayer.errors import InsufficientFunds, KeyUnavailable

#: How long other accounts are preferred to one that could not pay.
_POOR_FOR_S: Final = 60.0

#: Asks the chain for an account's transaction count, pending ones included.
FetchNonce = Callable[[Address], Awaitable[int]]


@dataclass(slots=True)
class _Account:
    """The nonces of one account.

    Attributes:
        address: 20 bytes.
        following: the nonce after the highest that was taken.
        included: every nonce below it is known to be in a block.
        given_back: a heap of nonces below `following` that are free.
        in_flight: nonces that are taken and not known to be included.
        poor_until_s: until when, by the monotonic clock, other accounts are preferred.
        lock: is held while the chain is asked for the count.
    """

    address: Address
    following: int = 0
    included: int = 0
    given_back: list[int] = field(default_factory=list)
    in_flight: set[int] = field(default_factory=set)
    poor_until_s: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class NonceManager:
    """The accounts that sign on one chain."""

    def __init__(self, accounts: Sequence[Address], fetch: FetchNonce) -> None:
        self._accounts = {account: _Account(account) for account in accounts}
        self._fetch = fetch
        self._hashes: dict[TxHash, tuple[Address, int]] = {}

    @property
    def senders(self) -> tuple[Address, ...]:
        """The accounts, in the configured order."""
        return tuple(self._accounts)

    def in_flight(self, sender: Address) -> int:
        """How many nonces of an account are taken and not known to be included."""
        account = self._accounts.get(sender)
        return 0 if account is None else len(account.in_flight)

    async def take(self) -> tuple[Address, int]:
        """Take the next nonce of the account with the fewest transactions under way.

        Raises KeyUnavailable when there is no account, and whatever asking for the count raises.
        """
        if not self._accounts:
            raise KeyUnavailable("no signing key", "at least one", "Name one in the chain's keys.")
        now = time.monotonic()
        ready = [account for account in self._accounts.values() if account.poor_until_s <= now]
        # Where no account could pay lately, they are tried again rather than none.
        account = min(ready or self._accounts.values(), key=lambda account: len(account.in_flight))
        async with account.lock:
            if not account.in_flight:
                # Somebody else may have used the key between our transactions, so the chain is asked. What we
                # know to be included counts more: a provider that lags would have us sign a nonce twice.
                account.following = max(account.included, await self._fetch(account.address))
                account.given_back = []
            nonce = self._next(account)
            account.in_flight.add(nonce)
            return account.address, nonce

    def record(self, sender: Address, nonce: int, tx_hash: TxHash) -> None:
        """Remember which transaction has a nonce; a replacement adds a hash to the same nonce."""
        self._hashes[tx_hash] = (sender, nonce)

    def adopt(self, sender: Address, nonce: int, tx_hash: TxHash) -> None:
        """Take over a transaction that an earlier process signed; its nonce counts as taken."""
        account = self._accounts.get(sender)
        if account is None or tx_hash in self._hashes:
            return
        account.following = max(account.following, nonce + 1)
        account.in_flight.add(nonce)
        if nonce in account.given_back:
            account.given_back.remove(nonce)
            heapq.heapify(account.given_back)
        self._hashes[tx_hash] = (sender, nonce)

    def give_back(self, sender: Address, nonce: int) -> None:
        """Free a taken nonce that no broadcast transaction has: the next transaction takes it first."""
        account = self._accounts.get(sender)
        if account is None or nonce not in account.in_flight:
            return
        account.in_flight.discard(nonce)
        heapq.heappush(account.given_back, nonce)
        self._forget(sender, lambda recorded: recorded == nonce)

    def settle(self, tx_hash: TxHash) -> None:
        """Note that a transaction is included: its nonce and every lower one of its account are done."""
        place = self._hashes.get(tx_hash)
        if place is not None:
            sender, nonce = place
            account = self._accounts[sender]
            account.included = max(account.included, nonce + 1)
            self.settle_below(sender, nonce + 1)

    def settle_below(self, sender: Address, count: int) -> None:
        """Note that the chain has included `count` transactions of an account, ours or not."""
        account = self._accounts.get(sender)
        if account is None:
            return
        account.in_flight = {nonce for nonce in account.in_flight if nonce >= count}
        account.given_back = [nonce for nonce in account.given_back if nonce >= count]
        heapq.heapify(account.given_back)
        self._forget(sender, lambda nonce: nonce < count)

    def mark_poor(self, sender: Address) -> None:
        """Note that an account could not pay: others are preferred for a while."""
        if sender in self._accounts:
            self._accounts[sender].poor_until_s = time.monotonic() + _POOR_FOR_S

    def find(self, tx_hash: TxHash) -> tuple[Address, int] | None:
        """Return the account and nonce of a transaction under way; None when it is not known."""
        return self._hashes.get(tx_hash)

    def _next(self, account: _Account) -> int:
        if account.given_back:
            return heapq.heappop(account.given_back)
        nonce = account.following
        account.following += 1
        return nonce

    def _forget(self, sender: Address, is_done: Callable[[int], bool]) -> None:
        for tx_hash in [
            tx_hash for tx_hash, (owner, nonce) in self._hashes.items() if owner == sender and is_done(nonce)
        ]:
            del self._hashes[tx_hash]


def poor_error(sender: Address, found: str) -> InsufficientFunds:
    """Return what to tell the operator about an account that cannot pay; `found` is what the node said."""
    return InsufficientFunds(
        f"account 0x{sender.hex()} cannot pay: {found}",
        "a balance for gas at the offered price",
        "Send funds to it",
    )
