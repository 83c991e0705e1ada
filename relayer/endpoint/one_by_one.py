# SPDX-License-Identifier: MIT
"""Sends one transaction after another from a deployer's key, and waits until it is in a block.

The sender decides nonces, prices, replacements and what is given up. What is added here is the waiting: for a
bounded time, with the reason, and with a look in the end whether the blocks are still there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from light_clients.codec import rlp
from light_clients.hashing import keccak256
from relayer.chains.base import Call, Chain, Refusal, TxReceipt
from relayer.errors import Drop, NonceConflict, Retryable
from relayer.journal.rows import Purpose, StoredTransaction, TransactionRow
from relayer.journal.store import now_micros
from relayer.protocol.delivery import Waiting
from relayer.sending.price import PricePolicy
from relayer.sending.quiet_log import quiet_log
from relayer.sending.sender import Sender
from relayer.sending.store import Store
from relayer.sending.transaction import Outcomes, Transaction

#: How often the chain is looked at.
_POLL_S: Final = 0.25
#: How often, where a nonce is used and no receipt found: some nodes count first and show receipts later, and
#: some services answer by several nodes in turn. After a few such looks the transaction counts as displaced.
_DOUBTFUL_POLL_S: Final = 2.0
#: After so long without a block, people are told why; again where the reason changes, and now and then.
_FIRST_WORD_S: Final = 5.0
_NEXT_WORD_S: Final = 30.0
#: What takes longer is not lost: its bytes are kept, and the next run goes on with them.
_INCLUSION_TIMEOUT_S: Final = 300.0
#: How many transactions do the same work, where one after the other is given up before a node has it.
_MOST_TRIES: Final = 3

#: What to do about a refusal that no repetition cures.
_CURES: Final = {
    Refusal.TOO_LARGE: "Let the nodes take larger transactions (txnSizeLimit in GoQuorum), or use another "
    "provider; then run the same command again.",
    Refusal.TOO_MUCH_GAS: "Raise the chain's block gas limit, or the node's limit for one transaction; then "
    "run the same command again.",
    Refusal.INVALID: "Compare the chain id and the rules of the chain with what its owner says; then run the "
    "same command again.",
    Refusal.NOT_ALLOWED: "Let the chain's permissions allow the account to send; then run the same command "
    "again.",
}


class StepFailed(Drop):
    """A transaction was included and reverted, left other code than ours, or can never be included."""


class NotIncluded(Retryable):
    """A transaction is in no block yet. Its bytes are kept where there is a manifest, and the next run goes
    on with them; those that no node takes are forgotten.
    """


class GivenUp(Exception):  # noqa: N818  no failure where the work is sent again
    """The sender waits for a transaction no longer, or an empty transfer took its nonce.

    Attributes:
        why: for people.
        refusal: what nodes mean; None where the reason is another.
    """

    def __init__(self, why: str, refusal: Refusal | None) -> None:
        super().__init__(why)
        self.why = why
        self.refusal = refusal


class OneByOne:
    """One key of one chain that sends. `look` first where earlier transactions are taken up.

    Args:
        chain: with the key as its only sender.
        store: where signed bytes are kept.
        policy: the operator's limits for gas.
        earlier: the transactions of earlier runs.
    """

    def __init__(
        self,
        chain: Chain,
        store: Store,
        policy: PricePolicy,
        earlier: Iterable[StoredTransaction] = (),
    ) -> None:
        self.chain = chain
        self._sender = Sender(chain, store, policy, now_micros, shares_keys=True, log=quiet_log())
        self._sender.on_outcomes = self._note
        self._store = store
        self._given_up: dict[TransactionRow, str] = {}
        self._sender.recover(earlier, ())
        self._recovered = list(self._sender.transactions)

    @property
    def transactions(self) -> list[Transaction]:
        """Everything that was sent and not given up, by nonce."""
        return sorted(self._sender.transactions, key=lambda transaction: transaction.nonce)

    async def send(self, call: Call) -> Transaction:
        """Sign a call, keep it and offer it.

        Raises:
            FeeLimitReached, InsufficientFunds, KeyUnavailable, CallReverted, ChainUnavailable: nothing was
                signed.
        """
        # Somebody may have used the key, and the transactions before this one have cost something.
        await self._sender.read_balances()
        return await self._sender.send(call, Purpose.OTHER)

    async def execute(self, call: Call, tell: Callable[[Transaction], None] = lambda _: None) -> Transaction:
        """Send a call and wait for its block; `tell` is called now and then with what is waited for.

        Raises what `send` and `settle` raise.
        """
        return await self.settle(await self.send(call), call, tell)

    async def settle(
        self,
        transaction: Transaction,
        call: Call | None = None,
        tell: Callable[[Transaction], None] = lambda _: None,
    ) -> Transaction:
        """Wait until a transaction is in a block, and return the one that is.

        It may be another one than `known`: where that is given up without fault of its own, the call is sent
        again.

        Raises:
            NonceConflict: another transaction of the key took its nonce.
            NotIncluded: it is in no block in time, or no node takes it.
            StepFailed: no node can ever take it.
        """
        for left in reversed(range(_MOST_TRIES)):
            try:
                await self.wait(transaction, tell)
            except GivenUp as error:
                # What an earlier run signed may have been priced or sized by other rules than today's.
                may_repeat = transaction in self._recovered or (
                    error.refusal is None and not transaction.is_cancelled
                )
                if transaction.is_cancelled:
                    await self._store.write(Outcomes(given_up=[(transaction, error.why)]))
                    self._sender.settle([transaction])
                if call is None or not left or not may_repeat:
                    raise self._explain(error) from None
                transaction = await self.send(call)
            else:
                return transaction
        raise AssertionError("the loop ends by return or raise")

    async def wait(self, transaction: Transaction, tell: Callable[[Transaction], None]) -> TxReceipt:
        """Wait until a provider shows a transaction in a block, and return its receipt.

        Raises NonceConflict, NotIncluded, GivenUp.
        """
        begun = time.monotonic()
        told: Waiting | None = None
        tell_at = begun + _FIRST_WORD_S
        while True:
            await self.look()
            if transaction.receipt is not None:
                if transaction.is_cancelled:
                    raise GivenUp(transaction.cancelling or "it was cancelled", None)
                return transaction.receipt
            if not self._sender.follows(transaction):
                raise self._end_of(transaction)
            now = time.monotonic()
            if now - begun >= _INCLUSION_TIMEOUT_S:
                raise NotIncluded(
                    f"0x{transaction.newest.tx_hash.hex()} with nonce {transaction.nonce} is in no block of "
                    f"{self.chain.name} after {_INCLUSION_TIMEOUT_S:g} s: {transaction.waiting}",
                    "to be included",
                    "Run the same command again: it goes on with this transaction.",
                )
            if now >= tell_at or (told is not None and told.reason is not transaction.waiting.reason):
                told, tell_at = transaction.waiting, now + _NEXT_WORD_S
                tell(transaction)
            await asyncio.sleep(_DOUBTFUL_POLL_S if transaction.misses else _POLL_S)

    async def confirm(self, transaction: Transaction, tell: Callable[[Transaction], None]) -> TxReceipt:
        """Look again whether a transaction is in a block, and send it again where it is not.

        Returns its receipt: the block may be another one now. Raises what `wait` raises.
        """
        while not await self._sender.still_included(transaction):
            await self.wait(transaction, tell)
        assert transaction.receipt is not None
        return transaction.receipt

    async def look(self) -> None:
        """Look at the chain once, and do what the sender decides. What the chain answers raises nothing."""
        try:
            height = int((await self.chain.head()).number)
        except Retryable:
            # The sender looks all the same, and says why it waits.
            height = self._sender.height
        await self._sender.look(height)
        for account in self._sender.accounts.values():
            late = next((transaction.nonce for transaction in account.open if transaction.offers > 1), 0)
            for transaction in list(account.transactions.values()):
                if transaction.receipt is not None and account.used <= transaction.nonce < late:
                    # Its block may be gone, and what comes after it waits for it.
                    await self._sender.still_included(transaction)

    def _note(self, outcomes: Outcomes) -> None:
        self._given_up |= {transaction.row: why for transaction, why in outcomes.given_up}

    def _end_of(self, transaction: Transaction) -> Exception:
        why = self._given_up.pop(transaction.row, "")
        if why:
            return GivenUp(why, None if transaction.refusal is None else transaction.refusal.refusal)
        return NonceConflict(
            f"another transaction of 0x{transaction.sender.hex()} took the nonce {transaction.nonce} on {self.chain.name}",
            "a key that nobody else uses meanwhile",
            "Run the same command again.",
        )

    def _explain(self, error: GivenUp) -> Drop | Retryable:
        may_change = error.refusal in (None, Refusal.UNKNOWN, Refusal.BUSY, Refusal.NOT_ALLOWED)
        again = "Nothing of it is left: run the same command again."
        advice = again if error.refusal is None else _CURES.get(error.refusal, again)
        kind = NotIncluded if may_change else StepFailed
        return kind(
            f"no node of {self.chain.name} takes the transaction: {error.why}", "one that does", advice
        )


def created_address(sender: bytes, nonce: int) -> bytes:
    """Return the address of the contract that `sender` (20 bytes) creates by its transaction `nonce`."""
    return keccak256(rlp.encode_list(rlp.encode_bytes(sender) + rlp.encode_int(nonce)))[12:]
