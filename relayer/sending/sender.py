# SPDX-License-Identifier: MIT
"""The sender of one chain: it signs, keeps, offers and follows the transactions of the chain's accounts.

`SendingAccount` decides, and this shell does what it says: it asks the chain and the prover, signs, writes
down, and offers. Nothing that a chain answers, or does not answer, makes `look` raise. What goes wrong with
one transaction is that transaction's reason to wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final, TypeVar

import structlog

from relayer.chains.base import Address, Call, Chain, GasMarket, GasPrice, Refusal, TxHash
from relayer.consensus.base import VerifiedHeader
from relayer.errors import (
    ChainUnavailable,
    FeeLimitReached,
    InsufficientFunds,
    KeyUnavailable,
    PostroadError,
    Retryable,
)
from relayer.journal.errors import JournalError
from relayer.journal.rows import (
    LaneRow,
    Micros,
    Purpose,
    StoredBatch,
    StoredTransaction,
    Wish,
)
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.sending.account import (
    Action,
    Cancel,
    ChainClock,
    Displace,
    Fill,
    GiveUp,
    Offer,
    Replace,
    SendingAccount,
)
from relayer.sending.funds import Funds
from relayer.sending.knowledge import AccountReader, ProveAccount
from relayer.sending.limits import NodeLimits
from relayer.sending.market import MarketReader
from relayer.sending.price import PricePolicy, compute_price, compute_raise
from relayer.sending.store import Record, Store
from relayer.sending.transaction import TRANSFER_GAS, Outcomes, Transaction, make_attempt

T = TypeVar("T")

#: While transactions wait, the chain is looked at this often without a new head.
_LOOK_S: Final = 1.0
#: While none waits, operators' wishes and balances are looked at this often.
_IDLE_S: Final = 5.0
#: After an account's first missing receipt no later one exists, so only so many are asked for together.
_RECEIPTS_AT_ONCE: Final = 16


class Sender:
    """The transactions of one chain's accounts. One event loop owns it.

    Args:
        chain: the chain.
        store: where signed transactions are kept.
        policy: the operator's limits for gas.
        clock: the wall clock, for what is written down.
        prove: proves an account; None where nothing can be proven.
        proves_now: whether `prove` shows the newest blocks, so that no provider's count is needed.
        shares_keys: whether other processes sign with the same keys, so that what they have pending counts.
        log: where it is told what happens; None for the process's log.

    Attributes:
        accounts: by address.
        height: the newest block that is known; a hint on chains with delayed finality.
        on_outcomes: called with what a look found, after it was written.
        on_funds: called when an account can pay again that could not.
        limits: what nodes refuse for its size, its gas or its type.
        funds: what the accounts can pay.
    """

    def __init__(
        self,
        chain: Chain,
        store: Store,
        policy: PricePolicy,
        clock: Callable[[], Micros],
        *,
        prove: ProveAccount | None = None,
        proves_now: bool = False,
        shares_keys: bool = False,
        log: structlog.typing.FilteringBoundLogger | None = None,
    ) -> None:
        self.chain = chain
        self.accounts = {address: SendingAccount(address) for address in chain.senders}
        self.height = 0
        self.limits = NodeLimits()
        self.on_outcomes: Callable[[Outcomes], None] = lambda _: None
        self.on_funds: Callable[[], None] = lambda: None
        self._store = store
        self._policy = policy
        self._clock = clock
        self._log = (log or structlog.get_logger()).bind(chain=chain.name)
        self.funds = Funds(chain.name, policy, self._log)
        self._market = MarketReader(chain, policy, self.limits, proves_now=proves_now)
        self._reader = AccountReader(chain, prove, self._log, proves_now=proves_now, shares_keys=shares_keys)
        self._block_s = 1.0
        self._moved_at = time.monotonic()
        self._looking = asyncio.Lock()
        self._changed = asyncio.Event()
        self._woken = asyncio.Event()
        self._critical: set[asyncio.Task[object]] = set()
        self._next_look: asyncio.Task[None] | None = None
        self._next_height = 0
        self._failure: BaseException | None = None
        #: By account, what kept it from signing again at the last look.
        self._failed: dict[Address, set[type[PostroadError]]] = {}

    # --- what is under way ----------------------------------------------------------------------------------

    @property
    def transactions(self) -> Iterator[Transaction]:
        """The transactions that may still land, or whose effect is not proven yet."""
        return (
            transaction for account in self.accounts.values() for transaction in account.transactions.values()
        )

    @property
    def is_full(self) -> bool:
        """Whether all accounts have as many transactions under way as nodes keep of them."""
        return all(account.is_full for account in self.accounts.values()) and bool(self.accounts)

    def wants_header(self, verified_height: int) -> bool:
        """Return whether a verified header above this block would tell something of the accounts."""
        return any(account.wants_header(verified_height) for account in self.accounts.values())

    def find(self, purpose: Purpose, to: bytes) -> list[Transaction]:
        """Return the transactions with this purpose to this address that are not settled."""
        return [
            transaction
            for transaction in self.transactions
            if transaction.purpose is purpose and transaction.call is not None and transaction.call.to == to
        ]

    def included_batches(self, height: int) -> list[Transaction]:
        """Return the deliver transactions that providers show in blocks up to a height."""
        return [
            transaction
            for transaction in self.transactions
            if transaction.batch is not None
            and transaction.receipt is not None
            and transaction.receipt.block_number <= height
        ]

    def carried(self, lane: LaneRow, page: int) -> int:
        """Return the messages of a page that transactions carry, as bits."""
        mask = 0
        for transaction in self.transactions:
            if (
                transaction.batch is not None
                and transaction.batch.lane == lane
                and transaction.batch.page == page
            ):
                mask |= transaction.batch.mask
        return mask

    # --- a restart ------------------------------------------------------------------------------------------

    def recover(self, stored: Iterable[StoredTransaction], batches: Iterable[StoredBatch]) -> None:
        """Follow the transactions that an earlier process signed.

        The first look asks for their receipts and nonces, and offers only what has neither.
        """
        carried = {batch.transaction: batch for batch in batches}
        for kept in stored:
            address = Address(kept.sender)
            account = self.accounts.setdefault(address, SendingAccount(address))
            account.add(
                Transaction(
                    row=kept.row,
                    purpose=kept.purpose,
                    sender=address,
                    nonce=kept.nonce,
                    attempts=list(kept.attempts),
                    call=self.chain.read_call(first_work(kept)),
                    batch=carried.get(kept.row),
                    # That process may have offered it.
                    is_taken=True,
                    told=kept.waiting,
                )
            )

    # --- sending --------------------------------------------------------------------------------------------

    async def send(self, call: Call, purpose: Purpose, record: Record | None = None) -> Transaction:
        """Sign a call, keep it, offer it to the nodes, and follow it from then on.

        Args:
            call: what to call; without gas, the chain estimates it.
            purpose: what it is for.
            record: writes what the transaction is for, in the commit that keeps it.

        Raises:
            FeeLimitReached, InsufficientFunds, KeyUnavailable, CallReverted, Retryable: nothing was signed.
            JournalBroken: nothing was offered.
        """
        market = await self._market.read(self.height)
        price = compute_price(market, self._policy)
        account, gas = await self._choose_payer(call, price)
        # Shielded: a caller that is cancelled must not leave a nonce that is taken and never used.
        transaction = await self._shielded(
            self._sign(account, account.take(), call, gas, price, purpose, record, call.value_wei)
        )
        await self._offer(account, transaction)
        return transaction

    async def included(self, transaction: Transaction, timeout_s: float) -> bool:
        """Wait until a provider shows a transaction in a block; return whether one did within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                while transaction.receipt is None and self.follows(transaction):
                    await self._changed.wait()
        except TimeoutError:
            return False
        return transaction.receipt is not None

    def follows(self, transaction: Transaction) -> bool:
        """Return whether a transaction may still land, or its effect is not proven yet."""
        account = self.accounts.get(transaction.sender)
        return account is not None and account.transactions.get(transaction.nonce) is transaction

    def drop(self, transaction: Transaction) -> None:
        """Forget a transaction that no node ever had: its nonce is free.

        Whoever kept its signed bytes in a journal must not call this.
        """
        self.accounts[transaction.sender].forget(transaction)
        self._notify()

    async def _choose_payer(self, call: Call, price: GasPrice) -> tuple[SendingAccount, int]:
        """Return an account that can pay for a call, and the gas that it takes."""
        others = len(self.chain.senders) - 1
        while True:
            account = await self._choose()
            gas = call.gas if call.gas is not None else await self.chain.estimate(call, account.address)
            try:
                self.funds.check(account, gas * price.max_wei + call.value_wei)
            except InsufficientFunds:
                # It may be filled up, so the next try looks at its balance again.
                self._reader.expire(account)
                # It is avoided for a while, so that another one is chosen where there is one.
                if others <= 0:
                    raise
                others -= 1
            else:
                return account, gas

    async def _choose(self) -> SendingAccount:
        """Return the account with the fewest transactions under way that can pay, with its nonce known."""
        keyed = [self.accounts[address] for address in self.chain.senders]
        if not keyed:
            raise KeyUnavailable(
                f"no signing key for {self.chain.name}",
                "at least one",
                "Add one to the chain's keys: `postroad keys new`, and give it funds for gas",
            )
        now = time.monotonic()
        ready = [account for account in keyed if account.avoid_until_s <= now and not account.is_full]
        account = min(ready or keyed, key=lambda account: account.under_way)
        if self._reader.is_stale(account):
            await self._reader.learn(account, self.height)
            if not account.is_known:
                raise ChainUnavailable(
                    f"nobody tells the nonce of 0x{account.address.hex()} on {self.chain.name}",
                    "a proof of the account, or a provider's count",
                )
        return account

    async def _sign(
        self,
        account: SendingAccount,
        nonce: int,
        call: Call,
        gas: int,
        price: GasPrice,
        purpose: Purpose,
        record: Record | None,
        value_wei: int = 0,
    ) -> Transaction:
        """Sign and keep a transaction with a nonce that was taken for it."""
        try:
            signed = self.chain.sign(account.address, nonce, call, gas, price)
            attempt = make_attempt(signed, self._clock())
            cost_wei = gas * price.max_wei + value_wei
            row, batch = await self._store.add(purpose, account.address, nonce, attempt, cost_wei, record)
        except BaseException:
            # It never left the process. A gap at its nonce would hold up all later ones of the account.
            account.give_back(nonce)
            raise
        clock = self._chain_clock()
        transaction = Transaction(
            row=row,
            purpose=purpose,
            sender=account.address,
            nonce=nonce,
            attempts=[attempt],
            call=call,
            batch=batch,
            signed_at=clock.now_s,
            signed_height=clock.height,
            is_legacy=price.is_legacy,
        )
        account.add(transaction)
        return transaction

    async def _resign(
        self,
        account: SendingAccount,
        transaction: Transaction,
        call: Call,
        gas: int,
        price: GasPrice,
        why: str,
        *,
        is_cancellation: bool,
    ) -> None:
        """Sign and keep another signature of a transaction."""
        signed = self.chain.sign(account.address, transaction.nonce, call, gas, price)
        # At the same price the same call has the same bytes: where gas is free, and at the operator's limit.
        if all(attempt.tx_hash != signed.tx_hash for attempt in transaction.attempts):
            attempt = make_attempt(signed, self._clock(), is_cancellation=is_cancellation)
            # Before it is offered (INV-6): either signature may land, and a restart has to know both.
            await self._store.add_attempt(transaction, attempt, signed.gas * signed.max_fee_wei)
            transaction.attempts.append(attempt)
            self._log.info("a transaction is signed again", nonce=transaction.nonce, why=why)
        transaction.is_legacy = price.is_legacy
        account.resign(transaction, self._chain_clock())

    async def _shielded(self, work: Awaitable[T]) -> T:
        task = asyncio.ensure_future(work)
        self._critical.add(task)
        task.add_done_callback(self._critical.discard)
        return await asyncio.shield(task)

    async def finish_critical(self, timeout_s: float) -> None:
        """Wait until nothing is between its signature and its commit, so that the journal can be closed.

        What still hangs after `timeout_s` is cancelled. Nothing of it has left the process.
        """
        if self._critical:
            _, hanging = await asyncio.wait(set(self._critical), timeout=timeout_s)
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    async def _offer(self, account: SendingAccount, transaction: Transaction) -> None:
        """Offer the newest signature to the nodes. What they say is a hint, and nothing is raised for it."""
        account.begin_offer(transaction, self._chain_clock())
        attempt = transaction.newest
        offered = await self.chain.offer(attempt.raw)
        if transaction.newest is not attempt:
            # It was signed again meanwhile, so this only says whether a node may have the old signature.
            transaction.is_taken = transaction.is_taken or offered.is_taken or bool(offered.unreachable)
            return
        account.end_offer(transaction, offered, self._chain_clock())
        refusal = offered.refusal
        if refusal is not None:
            self.limits.note(refusal.refusal, attempt)
            self._woken.set()
            self._log.debug(
                "a transaction is refused",
                nonce=transaction.nonce,
                provider=refusal.provider,
                meaning=refusal.refusal.value if refusal.refusal else "",
                detail=refusal.detail,
            )

    # --- prices and balances --------------------------------------------------------------------------------

    def note_header(self, header: VerifiedHeader) -> None:
        """Take a verified header: its base fee is the price, and accounts are proven at it."""
        self._market.note_header(header)

    async def read_balances(self) -> None:
        """Look up the balances of all accounts, for people and for limits."""
        for account in self.accounts.values():
            await self._reader.learn(account, self.height)
        keyed = [self.accounts[address] for address in self.chain.senders]
        # The price is asked for only until a delivery has shown what one costs.
        is_guess = self.funds.mean_delivery_wei is None
        self.funds.warn_of_low(keyed, await self._market.try_read(self.height) if is_guess else None)

    async def _look_for_funds(self) -> None:
        """Tell when an account can pay again that could not, so that what waits for it goes on at once."""
        accounts = [self.accounts[address] for address in self.funds.poor]
        for account in accounts:
            await self._reader.learn(account, self.height)
        filled = [account for account in accounts if self.funds.is_filled(account)]
        if filled:
            self.on_funds()

    # --- following ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look at the chain now and then, whatever heads come, until cancelled.

        Raises JournalBroken, also where a look that `look_within` did not wait for could not write.
        """
        while True:
            self._woken.clear()
            is_busy = bool(self.funds.poor) or any(
                transaction.receipt is None for transaction in self.transactions
            )
            try:
                async with asyncio.timeout(_LOOK_S if is_busy else _IDLE_S):
                    await self._woken.wait()
                # What was refused is looked at soon, and not at once: a loop over a refusal must not spin.
                await asyncio.sleep(_LOOK_S / 5)
            except TimeoutError:
                pass
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            await self._take_wishes()
            await self._look_for_funds()
            if any(account.transactions for account in self.accounts.values()):
                await self.look(self.height)

    async def look_within(self, height: int, timeout_s: float) -> None:
        """Do what `look` does, and return when it is done or after `timeout_s`; then it goes on by itself.

        Raises JournalBroken.
        """
        self._next_height = height
        # One look waits at most: behind one that hangs, those of all heads since would pile up.
        if self._next_look is None:
            self._next_look = asyncio.ensure_future(self._look_next())
            self._critical.add(self._next_look)
            self._next_look.add_done_callback(self._critical.discard)
        task = self._next_look
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        if done:
            task.result()
        else:
            task.add_done_callback(self._note_failure)

    async def _look_next(self) -> None:
        async with self._looking:
            self._next_look = None
            await self._look_now(self._next_height)

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        """Have `run` raise what a look raised that nobody waits for."""
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._woken.set()

    async def look(self, height: int) -> None:
        """Look for receipts and nonces, do what the accounts decide, and write down what was found.

        It raises nothing for what a chain answers. `height` is the newest block that is known.

        Raises:
            JournalBroken: what was found can't be written.
        """
        async with self._looking:
            await self._look_now(height)

    async def _look_now(self, height: int) -> None:
        self._move(height)
        outcomes = Outcomes()
        for account in list(self.accounts.values()):
            if account.transactions:
                await self._look_at(account, outcomes)
        if outcomes:
            await self._store.write(outcomes)
            self._apply(outcomes)
        await self._explain()

    async def _explain(self) -> None:
        """Write down the reasons that people do not know yet. Those that say nothing new are not written."""
        told = [
            transaction
            for transaction in self.transactions
            if transaction.receipt is None
            and transaction.told != transaction.waiting
            and (transaction.told is not None or transaction.waiting.reason is not WaitingReason.INCLUSION)
        ]
        if told:
            await self._store.explain(told)
            for transaction in told:
                # Figures change at every block, which is a line for every transaction and block.
                if transaction.told is None or transaction.told.reason is not transaction.waiting.reason:
                    self._log.warning(
                        "a transaction waits", nonce=transaction.nonce, reason=str(transaction.waiting)
                    )
                transaction.told = transaction.waiting

    def _move(self, height: int) -> None:
        now, moved = time.monotonic(), height - self.height
        if 0 < moved < 64:
            self._block_s += 0.2 * (min(60.0, (now - self._moved_at) / moved) - self._block_s)
        if moved:
            self._moved_at = now
        # Not the highest ever told: a provider that invents one must not stop the count of blocks.
        self.height = height

    def _chain_clock(self) -> ChainClock:
        return ChainClock(time.monotonic(), self.height, self._block_s)

    async def _look_at(self, account: SendingAccount, outcomes: Outcomes) -> None:
        outcomes.included += await self._find_receipts(account)
        if account.wants_knowledge(self._chain_clock(), self._market.verified_height):
            outcomes.reopened += [
                transaction
                for transaction in await self._reader.learn(account, self.height)
                if transaction not in outcomes.included
            ]
            # What the proof contradicts was not included after all.
            outcomes.included = [
                transaction for transaction in outcomes.included if transaction.receipt is not None
            ]
        # The bits that a delivery set are proven by whoever proves bitmaps.
        outcomes.settled += [
            transaction for transaction in account.proven_transactions if transaction.batch is None
        ]
        if account.proven is None and not account.awaits_proof:
            await self._settle_by_receipts(account, outcomes)
        market = await self._market.try_read(self.height) if account.open else None
        failed: set[type[PostroadError]] = set()
        for action in account.decide(self._chain_clock(), market):
            try:
                await self._do(account, action, market, outcomes)
            except JournalError:
                raise
            except PostroadError as error:
                failed.add(type(error))
                # Tried again at every look, which is no line in the log each time.
                if type(error) not in self._failed.get(account.address, ()):
                    self._log.warning("a transaction could not be signed again", error=str(error))
                self._explain_failure(account, action, error)
        self._failed[account.address] = failed

    @staticmethod
    def _explain_failure(account: SendingAccount, action: Action, error: PostroadError) -> None:
        is_poor = isinstance(error, InsufficientFunds | KeyUnavailable)
        reason = WaitingReason.FUNDS if is_poor else WaitingReason.GAS_PRICE
        if isinstance(action, Replace | Cancel):
            action.transaction.waiting = Waiting(reason, str(error))
        elif isinstance(action, Fill):
            for transaction in account.open:
                if transaction.nonce > action.nonce:
                    why = f"nonce {action.nonce} is missing, and can't be filled: {error}"
                    transaction.waiting = Waiting(reason, why)

    async def _settle_by_receipts(self, account: SendingAccount, outcomes: Outcomes) -> None:
        """Settle what is in final blocks, where accounts can't be proven: the receipt is there still."""
        for transaction in list(account.transactions.values()):
            is_final = (
                transaction.receipt is not None
                and transaction.receipt.block_number <= self._market.verified_height
            )
            if is_final and transaction.batch is None and transaction not in outcomes.included:
                transaction.receipt = None
                (
                    outcomes.settled if await self._find_receipt(account, transaction) else outcomes.reopened
                ).append(transaction)

    async def _find_receipts(self, account: SendingAccount) -> list[Transaction]:
        """Return the transactions that a provider shows in a block, with their receipts."""
        found: list[Transaction] = []
        waiting = account.open
        for transaction in waiting:
            transaction.is_missing = False
        # While the first one is late, the others only wait for it.
        is_late = bool(waiting) and waiting[0].offers > 1 and waiting[0].nonce >= account.used
        start, count = 0, 1 if is_late else _RECEIPTS_AT_ONCE
        while start < len(waiting):
            several = waiting[start : start + count]
            start, count = start + count, _RECEIPTS_AT_ONCE
            are_found = await asyncio.gather(
                *(self._find_receipt(account, transaction) for transaction in several)
            )
            found += [
                transaction for transaction, is_found in zip(several, are_found, strict=True) if is_found
            ]
            if not all(are_found) and several[-1].nonce >= account.used:
                # Chains take nonces in order: where these are in no block, later ones are in none.
                break
        return found

    async def _find_receipt(self, account: SendingAccount, transaction: Transaction) -> bool:
        ask_all = transaction.nonce < account.used
        transaction.is_missing = False
        # Any signature for the nonce may have landed; the newest one is the likeliest.
        for attempt in reversed(transaction.attempts):
            try:
                receipt = await self.chain.receipt(TxHash(attempt.tx_hash), ask_all=ask_all)
            except Retryable:
                return False
            if receipt is not None:
                return account.include(transaction, receipt)
        transaction.is_missing = ask_all
        return False

    async def _do(
        self, account: SendingAccount, action: Action, market: GasMarket | None, outcomes: Outcomes
    ) -> None:
        if isinstance(action, Offer):
            await self._offer(account, action.transaction)
        elif isinstance(action, Replace):
            await self._replace(account, action, market)
        elif isinstance(action, Cancel):
            await self._cancel(account, action, market)
        elif isinstance(action, Fill):
            await self._fill(account, action.nonce, market)
        elif isinstance(action, GiveUp):
            self._log.warning("a transaction is given up", nonce=action.transaction.nonce, why=action.why)
            outcomes.given_up.append((action.transaction, action.why))
        elif isinstance(action, Displace):
            self._log.warning("a nonce went to another transaction", nonce=action.transaction.nonce)
            outcomes.displaced.append(action.transaction)

    async def _replace(self, account: SendingAccount, action: Replace, market: GasMarket | None) -> None:
        """Sign the same call under the same nonce at another price, and offer it."""
        transaction = action.transaction
        has_wrong_type = (
            transaction.refusal is not None and transaction.refusal.refusal is Refusal.TYPE_UNSUPPORTED
        )
        is_cancellation = transaction.newest.is_cancellation
        call = self._transfer(account) if is_cancellation else transaction.call
        if market is None or call is None:
            return
        if self.limits.is_legacy:
            market = await self._market.read(self.height)
        if has_wrong_type or action.is_lower:
            # No block can have the signature before, so that it need not be outbid.
            price = compute_price(market, self._policy)
        else:
            try:
                price = compute_raise(transaction.price, market, self._policy, demanded=action.demanded)
            except FeeLimitReached:
                # At the operator's limit it may be taken now all the same.
                if account.is_due(transaction, self._chain_clock()):
                    await self._offer(account, transaction)
                raise
        if action.is_lower and price.max_wei >= transaction.price.max_wei:
            # The operator has set a tip.
            return
        resigned = self._resign(
            account,
            transaction,
            call,
            transaction.newest.gas,
            price,
            action.why,
            is_cancellation=is_cancellation,
        )
        await self._shielded(resigned)
        await self._offer(account, transaction)

    async def _cancel(self, account: SendingAccount, action: Cancel, market: GasMarket | None) -> None:
        """Use up a transaction's nonce by an empty transfer, and offer that."""
        transaction = action.transaction
        if market is None:
            return
        transaction.cancelling = action.why
        try:
            price = compute_raise(transaction.price, market, self._policy, demanded=False)
        except FeeLimitReached:
            # It outbids nothing, and lands where no node has what it cancels.
            price = compute_price(market, self._policy)
        resigned = self._resign(
            account,
            transaction,
            self._transfer(account),
            TRANSFER_GAS,
            price,
            action.why,
            is_cancellation=True,
        )
        await self._shielded(resigned)
        await self._offer(account, transaction)

    async def _fill(self, account: SendingAccount, nonce: int, market: GasMarket | None) -> None:
        """Use up a free nonce that later transactions wait for."""
        if market is None or not account.hold(nonce):
            return
        try:
            price = compute_price(market, self._policy)
        except BaseException:
            account.give_back(nonce)
            raise
        call = self._transfer(account)
        transaction = await self._shielded(
            self._sign(account, nonce, call, TRANSFER_GAS, price, Purpose.FILL, None)
        )
        self._log.warning("a nonce is missing, and is filled", nonce=nonce)
        await self._offer(account, transaction)

    @staticmethod
    def _transfer(account: SendingAccount) -> Call:
        return Call(account.address, b"", gas=TRANSFER_GAS)

    def _apply(self, outcomes: Outcomes) -> None:
        for transaction in outcomes.included:
            assert transaction.receipt is not None
            if transaction.purpose is Purpose.DELIVER:
                self.funds.learn(transaction.receipt)
        for transaction in outcomes.settled:
            self.accounts[transaction.sender].settle(transaction)
        for transaction in (*outcomes.displaced, *(transaction for transaction, _ in outcomes.given_up)):
            self.accounts[transaction.sender].forget(transaction)
        self._notify()
        self.on_outcomes(outcomes)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # --- settling -------------------------------------------------------------------------------------------

    def settle(self, transactions: Iterable[Transaction]) -> None:
        """Follow transactions no longer: their effect is proven, and that is written down."""
        for transaction in transactions:
            self.accounts[transaction.sender].settle(transaction)
        self._notify()

    async def still_included(self, transaction: Transaction) -> bool:
        """Look again for a receipt that the chain's state contradicts, and return whether it is there.

        A transaction whose receipt is gone is open again: it is followed, and may land another time.
        """
        async with self._looking:
            if transaction.receipt is None:
                return False
            account = self.accounts[transaction.sender]
            transaction.receipt = None
            transaction.doubts += 1
            await self._reader.learn(account, self.height)
            if await self._find_receipt(account, transaction):
                return True
            outcomes = Outcomes(reopened=[transaction])
            await self._store.write(outcomes)
            self._apply(outcomes)
            return False

    # --- operators ------------------------------------------------------------------------------------------

    async def _take_wishes(self) -> None:
        wishes = dict(await self._store.take_wishes())
        for transaction in list(self.transactions):
            wish = wishes.get(transaction.row)
            if wish is not None and transaction.receipt is None:
                try:
                    await self.wish(transaction, wish)
                except (Retryable, KeyUnavailable) as error:
                    self._log.warning(
                        "an operator's wish can't be met", nonce=transaction.nonce, error=str(error)
                    )

    async def wish(self, transaction: Transaction, wish: Wish) -> None:
        """Sign a transaction again at a higher price, or cancel it, because an operator asks for it.

        Raises:
            FeeLimitReached, InsufficientFunds, KeyUnavailable: it can't be signed.
            ChainUnavailable: nobody tells the price of gas.
        """
        account = self.accounts[transaction.sender]
        async with self._looking:
            # It may have landed, or been given up, while this waited for a look.
            if transaction.receipt is not None or not self.follows(transaction):
                return
            market = await self._market.read(self.height)
            if wish is Wish.CANCEL:
                await self._cancel(account, Cancel(transaction, "an operator cancelled it"), market)
            else:
                action = Replace(transaction, "an operator asked for it", demanded=True)
                await self._replace(account, action, market)


def first_work(kept: StoredTransaction) -> bytes:
    """Return the newest signature that is no cancellation, or the newest one where all are."""
    work = [attempt.raw for attempt in kept.attempts if not attempt.is_cancellation]
    return (work or [attempt.raw for attempt in kept.attempts])[-1]
