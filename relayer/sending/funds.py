# SPDX-License-Identifier: MIT
"""The money of one chain's accounts: who can't pay, who runs low, for how many deliveries it is enough."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

import structlog

from relayer.chains.base import Address, GasMarket, TxReceipt
from relayer.errors import InsufficientFunds
from relayer.protocol.delivery import WaitingReason
from relayer.sending.account import SendingAccount
from relayer.sending.price import LOW_DELIVERIES, PricePolicy, guess_delivery_wei
from relayer.sending.transaction import Transaction

#: A mean moves by this share with every delivery.
_WEIGHT: Final = 0.25
#: So long other accounts are preferred to one that can't pay.
_REST_S: Final = 10.0


class Funds:
    """What the accounts of one chain can pay.

    Attributes:
        mean_delivery_wei: what a delivery costs about; None before the first.
    """

    def __init__(self, chain: str, policy: PricePolicy, log: structlog.typing.FilteringBoundLogger) -> None:
        self.mean_delivery_wei: float | None = None
        self._chain = chain
        self._policy = policy
        self._log = log
        #: By account that can't pay, what it could not pay for.
        self._poor: dict[Address, int] = {}
        self._low: set[Address] = set()

    def learn(self, receipt: TxReceipt) -> None:
        """Learn from what a delivery has cost."""
        before = self.mean_delivery_wei
        self.mean_delivery_wei = (
            receipt.fee_wei if before is None else before + _WEIGHT * (receipt.fee_wei - before)
        )

    def check(self, account: SendingAccount, cost_wei: int) -> None:
        """Raise InsufficientFunds where an account can't pay for another transaction, and warn once."""
        lacking = account.lacks(cost_wei)
        if not lacking:
            self._poor.pop(account.address, None)
            return
        account.avoid_until_s = time.monotonic() + _REST_S
        error = InsufficientFunds(
            f"account 0x{account.address.hex()} on {self._chain} has {account.balance_wei} wei, and lacks "
            f"{lacking} wei for a transaction that can cost {cost_wei} wei",
            "a balance for gas at the offered price",
            "Send funds to it",
        )
        if account.address not in self._poor:
            self._log.warning("an account can't pay", reason=str(error))
        self._poor[account.address] = cost_wei
        raise error

    @property
    def poor(self) -> tuple[Address, ...]:
        """The accounts that can't pay."""
        return tuple(self._poor)

    def is_filled(self, account: SendingAccount) -> bool:
        """Return whether an account can pay now that could not; it counts as poor no longer then."""
        if account.address not in self._poor or account.lacks(self._poor[account.address]):
            return False
        del self._poor[account.address]
        account.avoid_until_s = 0.0
        self._log.info("an account can pay again", account=f"0x{account.address.hex()}")
        return True

    def deliveries_left(self, account: SendingAccount) -> int | None:
        """Return for about how many deliveries a balance is enough; None where that is not known."""
        if account.balance_wei is None or not self.mean_delivery_wei:
            return None
        return int(account.balance_wei / self.mean_delivery_wei)

    def warn_of_low(self, accounts: Iterable[SendingAccount], market: GasMarket | None) -> None:
        """Warn once of each account whose balance is enough for few deliveries, before it is empty."""
        cost_wei = self.mean_delivery_wei
        if cost_wei is None:
            cost_wei = 0 if market is None else guess_delivery_wei(market, self._policy)
        for account in accounts:
            balance, address = account.balance_wei, account.address
            left = None if balance is None or not cost_wei else int(balance / cost_wei)
            if left is None or left >= 2 * LOW_DELIVERIES:
                self._low.discard(address)
            elif left < LOW_DELIVERIES and address not in self._low:
                self._low.add(address)
                self._log.warning(
                    "an account runs low",
                    account=f"0x{address.hex()}",
                    balance_wei=balance,
                    deliveries_left=left,
                    advice="Send funds to it",
                )

    def troubles(self, transactions: Iterable[Transaction]) -> tuple[str, ...]:
        """Return which accounts can't pay or run low, and why transactions wait for funds, for people."""
        waiting = [
            str(transaction.waiting)
            for transaction in transactions
            if transaction.receipt is None and transaction.waiting.reason is WaitingReason.FUNDS
        ]
        poor = [
            f"funds: account 0x{address.hex()} can't pay {cost_wei} wei"
            for address, cost_wei in self._poor.items()
        ]
        low = [
            f"account 0x{address.hex()} has less than {LOW_DELIVERIES} deliveries left"
            for address in sorted(self._low - self._poor.keys())
        ]
        return tuple(dict.fromkeys((*poor, *waiting, *low)))
