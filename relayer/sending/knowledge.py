# SPDX-License-Identifier: MIT
"""Looks up what an account has and which of its nonces are used: by proof, or from several providers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from light_clients.errors import Rejection
from relayer.chains.base import Address, Chain
from relayer.consensus.base import ProvenAccount
from relayer.errors import NotFoundYet, PostroadError
from relayer.sending.account import SendingAccount
from relayer.sending.transaction import Transaction
from relayer.trouble import Trouble

T = TypeVar("T")

#: Proves an account's nonce and balance at the newest verified header; None where that can't be had.
ProveAccount = Callable[[Address], Awaitable[ProvenAccount | None]]

#: How long a question to the chain may take. What hangs must not hold up the other accounts.
_ASK_S: Final = 20.0
#: How old what is known of an idle account may be when it signs again: somebody else may have used its key.
_FRESH_S: Final = 10.0
#: Nodes keep no more pending transactions of one account.
_MOST_PENDING: Final = 64


class AccountReader:
    """Looks up the accounts of one chain.

    Args:
        chain: the chain.
        prove: proves an account; None where nothing can be proven.
        proves_now: whether `prove` shows the newest blocks, so that no provider's count is needed.
        shares_keys: whether other processes sign with the same keys, so that what they have pending counts.
        log: where it is told what could not be looked up.
    """

    def __init__(
        self,
        chain: Chain,
        prove: ProveAccount | None,
        log: structlog.typing.FilteringBoundLogger,
        *,
        proves_now: bool,
        shares_keys: bool,
    ) -> None:
        self._chain = chain
        self._prove = prove
        self._log = log
        self._trouble = Trouble(log, "an account could not be looked up")
        self._has_failed = False
        self._proves_now = proves_now
        self._shares_keys = shares_keys
        self._asked_at: dict[Address, float] = {}

    def is_stale(self, account: SendingAccount) -> bool:
        """Return whether an account has to be looked up before it signs."""
        # A count that another process may have changed is not even that fresh.
        fresh_s = 0.0 if self._shares_keys else _FRESH_S
        is_old = time.monotonic() - self._asked_at.get(account.address, 0.0) > fresh_s
        return not account.is_known or (not account.transactions and is_old)

    def expire(self, account: SendingAccount) -> None:
        """Have an account looked up before it signs."""
        self._asked_at.pop(account.address, None)

    async def learn(self, account: SendingAccount, height: int) -> list[Transaction]:
        """Look up nonce and balance, and return the transactions that a proof shows in no block after all.

        `height` is the newest block that is known. What nobody tells is not learnt, and nothing is raised.
        """
        self._asked_at[account.address] = time.monotonic()
        self._has_failed = False
        gone: list[Transaction] = []
        proven = None
        if self._prove is not None:
            account.awaits_proof = account.proven is None
            proven = await self._ask(self._read_proof(account, self._prove))
        if proven is not None:
            gone = account.learn_proof(proven)
        # A proof shows what is in blocks, and not what other processes have on the way there.
        is_shared = self._shares_keys and not account.open
        if proven is None or not self._proves_now or is_shared:
            if proven is not None and self._proves_now:
                counts: tuple[int, ...] | None = (proven.nonce,)
            else:
                counts = await self._ask(self._chain.count_transactions(account.address))
            if counts and is_shared:
                counts = await self._with_pending(account.address, counts)
            account.learn_counts(counts or (), height)
            balance = await self._ask(self._chain.balance(account.address))
            if balance is not None:
                account.learn_balance(balance, height)
        if not self._has_failed:
            self._trouble.over()
        return gone

    @staticmethod
    async def _read_proof(account: SendingAccount, prove: ProveAccount) -> ProvenAccount | None:
        proven = await prove(account.address)
        # Proven, or of a kind of chain that has no such proof. Where it failed, it is still to come.
        account.awaits_proof = False
        return proven

    async def _with_pending(self, address: Address, counts: tuple[int, ...]) -> tuple[int, ...]:
        """Return the counts with what other processes have pending, as far as nodes keep so many."""
        pending = await self._ask(self._chain.count_transactions(address, pending=True)) or ()
        floor = min(counts)
        return tuple(count for count in pending if floor <= count <= floor + _MOST_PENDING) or counts

    async def _ask(self, question: Awaitable[T]) -> T | None:
        """Return an answer; None where nobody gives one that is believed."""
        try:
            async with asyncio.timeout(_ASK_S):
                return await question
        except (PostroadError, Rejection, TimeoutError) as error:
            self._has_failed = True
            text = str(error) or type(error).__name__
            # Before a first header is verified there is nothing to look at, at every start.
            if isinstance(error, NotFoundYet):
                self._log.debug("an account can't be looked up yet", error=text)
            else:
                self._trouble.note(text)
            return None
