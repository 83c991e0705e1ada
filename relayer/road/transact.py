# SPDX-License-Identifier: MIT
"""The transactions of the library and of commands: sent by the one sender, and waited for.

A `SendingChain` lives as long as its road, and its callers share it: they share the account's nonces, and
one look at the chain serves all that wait. While nobody waits, nothing runs and nothing is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

from light_clients.errors import Rejection
from relayer.chains.base import Address, Call, Chain, Refusal, TxReceipt
from relayer.consensus.base import ProvenAccount, Prover, VerifiedHeader
from relayer.errors import ChainUnavailable, FeeLimitReached, InsufficientFunds, NonceConflict, Retryable
from relayer.journal.rows import Purpose, TransactionRow
from relayer.journal.store import now_micros
from relayer.protocol.delivery import WaitingReason
from relayer.sending.price import PricePolicy
from relayer.sending.quiet_log import quiet_log
from relayer.sending.sender import Sender
from relayer.sending.store import MemoryStore
from relayer.sending.transaction import Outcomes, Transaction

_INCLUSION_TIMEOUT_S: Final = 180.0
#: Another process may sign with the same key, and take a nonce between our look and our offer.
_SEND_ATTEMPTS: Final = 3
#: How often a newer header is verified while something waits: it proves what is settled.
_HEADER_S: Final = 5.0


class SendingChain:
    """A chain and the keys that send there. Belongs to one event loop; `close` it.

    Args:
        chain: with its keys.
        prover: believes the same chain, so that no provider's count decides which nonce is signed.
        policy: the operator's limits for gas.
        poll_s: how often the chain is looked at while something waits, in seconds.
        timeout_s: how long a transaction is waited for.
    """

    def __init__(
        self,
        chain: Chain,
        prover: Prover,
        policy: PricePolicy,
        *,
        poll_s: float = 0.5,
        timeout_s: float = _INCLUSION_TIMEOUT_S,
    ) -> None:
        self.chain = chain
        self.name = chain.name
        self._prover = prover
        self._poll_s = poll_s
        self._timeout_s = timeout_s
        self._sender = Sender(
            chain,
            MemoryStore(),
            policy,
            now_micros,
            prove=self._prove,
            proves_now=not prover.has_delayed_finality,
            shares_keys=True,
            log=quiet_log(),
        )
        self._sender.on_outcomes = self._note
        self._given_up: dict[TransactionRow, str] = {}
        self._height = 0
        self._verified_at = float("-inf")
        self._look: asyncio.Future[None] | None = None
        self._waiting = 0

    async def transact(self, call: Call) -> TxReceipt:
        """Send a call, and return its receipt once it is in a block.

        Raises:
            CallReverted, KeyUnavailable, FeeLimitReached, InsufficientFunds: nothing was sent.
            ChainUnavailable: it is not included in time, or it failed. The text says why, and whether it may
                still be included.
        """
        self._waiting += 1
        try:
            if self._waiting == 1 and any(self._sender.transactions):
                # What was sent before may be proven by now, and another process may have used the key since.
                await self._look_once(verify=True)
            for _ in range(_SEND_ATTEMPTS):
                receipt = await self._await_receipt(await self._sender.send(call, Purpose.OTHER))
                if receipt is not None:
                    return receipt
            raise NonceConflict(
                f"other processes took {_SEND_ATTEMPTS} nonces in a row on {self.name}",
                "a key that only one process uses",
                "Nothing was sent. Give each process its own key",
            )
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Stop looking, and close connections; idempotent."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)
        await self.chain.close()

    # --- waiting --------------------------------------------------------------------------------------------

    async def _await_receipt(self, transaction: Transaction) -> TxReceipt | None:
        """Return a transaction's receipt; None where it is to be sent again.

        Raises ChainUnavailable, FeeLimitReached, InsufficientFunds.
        """
        ends_at = time.monotonic() + self._timeout_s
        while transaction.receipt is None:
            if not self._sender.follows(transaction):
                self._refuse_end(transaction)
                return None
            refusal = transaction.refusal
            is_poor = refusal is not None and refusal.refusal is Refusal.UNFUNDED and not transaction.is_taken
            if is_poor or time.monotonic() > ends_at:
                raise self._drop_late(transaction)
            await self._look_together()
            await self._sender.included(transaction, self._poll_s)
        receipt = transaction.receipt
        if transaction.is_cancelled:
            raise ChainUnavailable(
                f"the transaction 0x{transaction.attempts[0].tx_hash.hex()} was cancelled on {self.name}: {transaction.cancelling}",
                "to be included",
                "Nothing of it was done.",
            )
        if not receipt.succeeded:
            raise ChainUnavailable(
                f"0x{receipt.tx_hash.hex()} reverted on {self.name} though it was estimated to succeed",
                "success",
                "The chain's state has changed in between: try again.",
            )
        return receipt

    def _refuse_end(self, transaction: Transaction) -> None:
        """Raise ChainUnavailable, unless the transaction is to be sent again: it can't land any more."""
        given_up = self._given_up.pop(transaction.row, "")
        # Without a refusal its nonce was out of reach, as a false count had it: it is sent under another one.
        if given_up and transaction.refusal is None:
            return
        if given_up:
            raise ChainUnavailable(
                f"no node of {self.name} takes the transaction: {given_up}",
                "one that does",
                "Nothing was sent.",
            )
        if transaction.is_taken:
            raise ChainUnavailable(
                f"nonce {transaction.nonce} of 0x{transaction.sender.hex()} on {self.name} is used, and no provider shows "
                f"the transaction 0x{transaction.newest.tx_hash.hex()}",
                "to be included",
                "Another process uses the key, or a provider lags: look for it before you send again.",
            )

    def _drop_late(self, transaction: Transaction) -> Retryable:
        """Return the error of a transaction that is in no block, with the reason.

        What no node has is followed no longer. What one may have is looked after whenever this chain is used.
        """
        is_gone = not transaction.is_taken
        if is_gone:
            self._sender.drop(transaction)
        found = (
            f"the transaction 0x{transaction.newest.tx_hash.hex()} with nonce {transaction.nonce} is in no block of "
            f"{self.name}: {self._describe_wait(transaction)}"
        )
        advice = "Nothing was sent." if is_gone else "It may still be: look for it before you send again."
        kind: type[Retryable] = ChainUnavailable
        if is_gone and _is_unfunded(transaction):
            kind = InsufficientFunds
        elif is_gone and transaction.waiting.reason is WaitingReason.GAS_PRICE:
            kind = FeeLimitReached
        return kind(found, f"to be included in {self._timeout_s:g} s", advice)

    @staticmethod
    def _describe_wait(transaction: Transaction) -> str:
        if _is_unfunded(transaction) and transaction.refusal is not None:
            return f"funds: {transaction.refusal.provider} says {transaction.refusal.detail or 'that the account cannot pay'}"
        return f"{transaction.waiting.reason.value}: {transaction.waiting.detail}"

    def _note(self, outcomes: Outcomes) -> None:
        self._given_up |= {transaction.row: why for transaction, why in outcomes.given_up}

    # --- looking --------------------------------------------------------------------------------------------

    async def _look_together(self) -> None:
        """Look at the chain, or wait for the look of another caller; for `poll_s` at most."""
        if self._look is None or self._look.done():
            self._look = asyncio.ensure_future(self._look_once())
        done, _ = await asyncio.wait({self._look}, timeout=self._poll_s)
        if done and not self._look.cancelled():
            self._look.result()

    async def _look_once(self, *, verify: bool = False) -> None:
        # The sender looks all the same, and says why it waits.
        with contextlib.suppress(Retryable, Rejection):
            if verify or time.monotonic() - self._verified_at > _HEADER_S:
                await self._verify()
            else:
                self._height = (await self.chain.head()).number
        await self._sender.look(self._height)

    async def _verify(self) -> VerifiedHeader:
        """Return the newest verified header. Raises Retryable, Rejection."""
        head = await self.chain.head()
        self._height = head.number
        header = await self._prover.verify_head(head)
        self._verified_at = time.monotonic()
        self._sender.note_header(header)
        return header

    async def _prove(self, account: Address) -> ProvenAccount | None:
        return await self._prover.prove_account(await self._verify(), account)


def _is_unfunded(transaction: Transaction) -> bool:
    if transaction.refusal is not None and transaction.refusal.refusal is Refusal.UNFUNDED:
        return True
    return transaction.waiting.reason is WaitingReason.FUNDS
