# SPDX-License-Identifier: MIT
"""The transactions of one chain's accounts, from their signature to their settlement.

A transaction is committed to the journal, then broadcast, then looked for at every head: offered again when
it is lost, replaced at a higher price when it is late, opened again when its block is gone.

A signed transaction may land at any time until another one takes its nonce, whatever providers say. So its
messages are never signed into a second transaction before that, except under the same nonce (INV-6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from relayer.chains.base import Address, Call, Chain, SignedTransaction, TxHash, TxReceipt
from relayer.chains.evm.signed import read_call
from relayer.errors import (
    FeeLimitReached,
    InsufficientFunds,
    NonceConflict,
    Retryable,
    Underpriced,
)
from relayer.journal.rows import (
    ChainRow,
    LaneRow,
    Micros,
    Purpose,
    SignedAttempt,
    StoredBatch,
    StoredTransaction,
    TransactionRow,
    TransactionState,
    Transition,
)
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.pipeline.rules.confirming import was_wasted
from relayer.pipeline.rules.story import included_steps, reopened_steps, returned_steps
from relayer.pipeline.tracked_transaction import TrackedTransaction
from relayer.protocol.delivery import Waiting, WaitingReason

T = TypeVar("T")

#: After so many blocks without it, a transaction is broadcast again.
_BLOCKS_TO_REBROADCAST: Final = 3
#: After so many blocks since its signature, it is replaced at a higher price.
_BLOCKS_TO_REPLACE: Final = 6
#: So many heads in a row must show its nonce taken and no receipt before it counts as displaced: providers
#: lag.
_LOOKS_TO_DISPLACE: Final = 3
#: After an account's first missing receipt no later one exists, so only so many are asked for together.
_RECEIPTS_AT_ONCE: Final = 16
#: The most transactions of an account that wait for a block: nodes forget those beyond a few dozen.
_MOST_OPEN: Final = 60


@dataclass(frozen=True, slots=True)
class PollResult:
    """What `TransactionTracker.poll` found.

    Attributes:
        included: the transactions that are in a block now.
        displaced: those that never will be.
    """

    included: tuple[TrackedTransaction, ...]
    displaced: tuple[TrackedTransaction, ...]


class TransactionTracker:
    """The transactions of one chain's accounts that are not settled.

    Attributes:
        live: those that may still land, or whose effect is not proven, by their row in the journal.
        height: the newest head's height.
    """

    def __init__(self, chain: Chain, row: ChainRow, journal: Journal, clock: Callable[[], Micros]) -> None:
        self._chain = chain
        self._row = row
        self._journal = journal
        self._clock = clock
        self._log = structlog.get_logger().bind(chain=chain.name)
        self._critical: set[asyncio.Task[object]] = set()
        self.live: dict[TransactionRow, TrackedTransaction] = {}
        self.height = 0

    # --- a restart ------------------------------------------------------------------------------------------

    def recover(self, stored: Iterable[StoredTransaction], batches: Iterable[StoredBatch]) -> None:
        """Take over the transactions that an earlier process signed.

        `offer_recovered` broadcasts them again.
        """
        carried = {batch.transaction: batch for batch in batches}
        for transaction in stored:
            self.live[transaction.row] = TrackedTransaction(
                row=transaction.row,
                purpose=transaction.purpose,
                sender=transaction.sender,
                nonce=transaction.nonce,
                attempts=list(transaction.attempts),
                call=read_call(transaction.attempts[-1].raw),
                batch=carried.get(transaction.row),
                # The journal does not keep the receipt, and a reorganisation may have taken it: it is looked
                # up anew.
                receipt=None,
            )

    async def offer_recovered(self) -> None:
        """Broadcast, by nonce, what an earlier process signed and perhaps never broadcast.

        Nothing new is signed until all of them were offered once, since the chain hands out nonces by what it
        was shown.

        Raises:
            Retryable: the chain can't be reached.
        """
        for tracked in self._open():
            if not tracked.is_offered:
                await self._offer(tracked)

    # --- sending --------------------------------------------------------------------------------------------

    async def send(
        self, call: Call, purpose: Purpose, record: Callable[[Writing, TransactionRow], StoredBatch | None]
    ) -> TrackedTransaction:
        """Sign a call, commit it, broadcast it, and return the transaction, which is in `live` then.

        A broadcast that fails raises nothing: it is done again at a later head.

        Args:
            call: what to call, with the gas to ask for.
            purpose: what it is for.
            record: called in the same commit with the transaction's row; it writes what the transaction is
                for, and returns the batch if there is one.

        Raises:
            FeeLimitReached, InsufficientFunds, Retryable: nothing was signed.
            JournalBroken: nothing was broadcast.
        """
        if any(not tracked.is_offered for tracked in self._open()):
            await self.offer_recovered()
        # Shielded: a caller that is cancelled must not leave a nonce that is taken and never used.
        tracked = await self._shielded(self._sign_and_commit(call, purpose, record))
        try:
            await self._offer(tracked)
        except Retryable as error:
            self._log.warning("broadcast failed, it is done again", nonce=tracked.nonce, error=str(error))
        return tracked

    async def _sign_and_commit(
        self, call: Call, purpose: Purpose, record: Callable[[Writing, TransactionRow], StoredBatch | None]
    ) -> TrackedTransaction:
        signed = await self._chain.prepare(call)
        attempt = _attempt(signed, self._clock())

        def write(writing: Writing) -> tuple[TransactionRow, StoredBatch | None]:
            row = writing.add_transaction(self._row, purpose, signed.sender, signed.nonce, attempt)
            return row, record(writing, row)

        try:
            row, batch = await self._journal.commit(write)
        except BaseException:
            # It never left the process. A gap at its nonce would hold up all later ones of the account.
            self._chain.abandon(signed)
            raise
        tracked = TrackedTransaction(
            row=row,
            purpose=purpose,
            sender=signed.sender,
            nonce=signed.nonce,
            attempts=[attempt],
            call=call,
            batch=batch,
            # The chain handed this nonce out itself; only those of an earlier process have to be shown to it
            # first.
            is_offered=True,
            signed_height=self.height,
        )
        self.live[row] = tracked
        return tracked

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

    async def _offer(self, tracked: TrackedTransaction) -> None:
        """Broadcast the newest signature. Raises Retryable when no provider takes it."""
        tracked.offered_height = self.height
        try:
            await self._chain.broadcast(tracked.newest.raw)
        except InsufficientFunds as error:
            tracked.waiting = Waiting(WaitingReason.FUNDS, str(error))
        except Underpriced as error:
            tracked.waiting = Waiting(WaitingReason.GAS_PRICE, str(error))
            # As if it had waited long enough: `_mend` replaces it at the next head.
            tracked.signed_height = min(tracked.signed_height, self.height - _BLOCKS_TO_REPLACE)
        except NonceConflict:
            # This very transaction may be in a block already: its receipt or the account's nonce decides.
            tracked.waiting = None
        else:
            tracked.waiting = None
        tracked.is_offered = True

    # --- following ------------------------------------------------------------------------------------------

    async def poll(self, height: int) -> PollResult:
        """Look for receipts at a new head, mend what does not get into a block, and commit what was found.

        Raises:
            Retryable: the chain can't be asked.
        """
        self.height = max(self.height, height)
        await self.offer_recovered()
        included: list[TrackedTransaction] = []
        displaced: list[TrackedTransaction] = []
        for group in self._by_sender():
            for start in range(0, len(group), _RECEIPTS_AT_ONCE):
                several = group[start : start + _RECEIPTS_AT_ONCE]
                receipts = await asyncio.gather(*(self._find_receipt(tracked) for tracked in several))
                included += [
                    tracked for tracked, receipt in zip(several, receipts, strict=True) if receipt is not None
                ]
                missing = [
                    tracked for tracked, receipt in zip(several, receipts, strict=True) if receipt is None
                ]
                if missing:
                    # Chains take an account's nonces in order: where these are in no block, later ones are in
                    # none.
                    displaced += await self._mend(missing)
                    break
        if included or displaced:
            now = self._clock()
            steps = [
                *included_steps(included, now),
                *returned_steps(displaced, "its nonce went to another transaction", now),
            ]
            await self._journal.commit(lambda writing: _write_poll(writing, included, displaced, steps))
        for tracked in displaced:
            self._forget(tracked)
        for tracked in included:
            # Whoever sent it reads the light client next, which shows its effect.
            if tracked.purpose is not Purpose.DELIVER:
                self._forget(tracked)
        return PollResult(tuple(included), tuple(displaced))

    async def _find_receipt(self, tracked: TrackedTransaction) -> TxReceipt | None:
        # Any signature for the nonce may have landed; the newest one is the likeliest.
        for attempt in reversed(tracked.attempts):
            receipt = await self._chain.receipt(TxHash(attempt.tx_hash))
            if receipt is not None:
                tracked.receipt = receipt
                tracked.waiting = None
                return receipt
        return None

    async def _mend(self, missing: list[TrackedTransaction]) -> list[TrackedTransaction]:
        first = missing[0]
        displaced: list[TrackedTransaction] = []
        # A receipt is often late by a block or two: the nonce is asked for only after that.
        if self.height - first.signed_height >= _BLOCKS_TO_REBROADCAST:
            taken = await self._chain.nonce(Address(first.sender))
            for tracked in missing:
                tracked.misses = tracked.misses + 1 if tracked.nonce < taken else 0
                if tracked.misses >= _LOOKS_TO_DISPLACE:
                    displaced.append(tracked)
        for tracked in missing:
            # While its nonce shows as taken, nodes would refuse it.
            if tracked in displaced or tracked.misses:
                continue
            if self.height - tracked.offered_height >= _BLOCKS_TO_REBROADCAST:
                await self._offer(tracked)
        if (
            not first.misses
            and first.call is not None
            and self.height - first.signed_height >= _BLOCKS_TO_REPLACE
        ):
            # Only the first: the others wait for its nonce, whatever they offer.
            await self._replace(first)
        return displaced

    async def _replace(self, tracked: TrackedTransaction) -> None:
        """Sign the same call under the same nonce at a higher price, and broadcast it."""
        try:
            await self._shielded(self._sign_replacement(tracked))
            await self._offer(tracked)
        except FeeLimitReached as error:
            # The old signature stays offered. A dearer one is tried after as many blocks again.
            tracked.waiting = Waiting(WaitingReason.GAS_PRICE, str(error))
            tracked.signed_height = self.height
        except Retryable as error:
            tracked.waiting = Waiting(WaitingReason.RPC_TROUBLE, str(error))

    async def _sign_replacement(self, tracked: TrackedTransaction) -> None:
        assert tracked.call is not None
        signed = await self._chain.replace(tracked.signed(), tracked.call)
        attempt = _attempt(signed, self._clock())
        # Before it is broadcast (INV-6): either signature may land, and a restart has to know both.
        await self._journal.commit(lambda writing: writing.add_attempt(tracked.row, attempt))
        tracked.attempts.append(attempt)
        tracked.signed_height = self.height

    # --- settling -------------------------------------------------------------------------------------------

    def included_batches(self, height: int) -> list[TrackedTransaction]:
        """Return the deliver transactions that providers show in blocks up to a height."""
        return [
            tracked
            for tracked in self.live.values()
            if tracked.batch is not None
            and tracked.receipt is not None
            and tracked.receipt.block_number <= height
        ]

    @property
    def is_busy(self) -> bool:
        """Whether as many transactions wait for a block as nodes keep of the accounts."""
        return len(self._open()) >= _MOST_OPEN * max(1, len(self._chain.senders))

    def in_flight(self, lane: LaneRow, page: int) -> int:
        """Return the messages of a page that live transactions carry, as bits."""
        mask = 0
        for tracked in self.live.values():
            if tracked.batch is not None and tracked.batch.lane == lane and tracked.batch.page == page:
                mask |= tracked.batch.mask
        return mask

    def open_calls(self, purpose: Purpose, to: bytes) -> list[TrackedTransaction]:
        """Return the transactions with this purpose to this address that are in no block yet."""
        return [
            tracked
            for tracked in self._open()
            if tracked.purpose is purpose and tracked.call is not None and tracked.call.to == to
        ]

    async def still_included(self, tracked: TrackedTransaction) -> bool:
        """Look again for a receipt that the proven state contradicts, and return whether it is there.

        A transaction whose receipt is gone is open again: it is followed, and may land another time.

        Raises:
            Retryable: the chain can't be asked.
        """
        tracked.receipt = None
        found = await self._find_receipt(tracked)
        if found is None:
            steps = list(reopened_steps(tracked, self._clock()))
            await self._journal.commit(lambda writing: _write_reopened(writing, tracked.row, steps))
        return found is not None

    def settle(self, writing: Writing, tracked: TrackedTransaction) -> None:
        """Write that nothing more is expected of a transaction.

        The caller calls `forget` once that is committed.
        """
        writing.set_transaction_state(tracked.row, TransactionState.SETTLED)

    def forget(self, settled: Iterable[TrackedTransaction]) -> None:
        """Drop settled transactions from memory."""
        for tracked in settled:
            self._forget(tracked)

    def _forget(self, tracked: TrackedTransaction) -> None:
        self.live.pop(tracked.row, None)
        tracked.settled.set()

    def _open(self) -> list[TrackedTransaction]:
        return sorted(
            (tracked for tracked in self.live.values() if tracked.receipt is None),
            key=lambda tracked: tracked.nonce,
        )

    def _by_sender(self) -> list[list[TrackedTransaction]]:
        groups: dict[bytes, list[TrackedTransaction]] = {}
        for tracked in self._open():
            groups.setdefault(tracked.sender, []).append(tracked)
        return list(groups.values())


def _write_poll(
    writing: Writing,
    included: list[TrackedTransaction],
    displaced: list[TrackedTransaction],
    steps: list[Transition],
) -> None:
    for tracked in included:
        receipt = tracked.receipt
        assert receipt is not None
        writing.include_transaction(
            tracked.row,
            included_hash=receipt.tx_hash,
            block_number=receipt.block_number,
            block_hash=receipt.block_hash,
            succeeded=receipt.succeeded,
            gas_used=receipt.gas_used,
            fee_wei=receipt.fee_wei,
            wasted_gas=_wasted(tracked),
        )
        if tracked.purpose is not Purpose.DELIVER:
            writing.set_transaction_state(tracked.row, TransactionState.SETTLED)
    for tracked in displaced:
        writing.set_transaction_state(tracked.row, TransactionState.DISPLACED)
    writing.add_transitions(steps)


def _write_reopened(writing: Writing, row: TransactionRow, steps: list[Transition]) -> None:
    writing.set_transaction_state(row, TransactionState.OPEN)
    writing.add_transitions(steps)


def _wasted(tracked: TrackedTransaction) -> int:
    assert tracked.receipt is not None
    return tracked.receipt.gas_used if was_wasted(tracked.receipt, tracked.batch) else 0


def _attempt(signed: SignedTransaction, at: Micros) -> SignedAttempt:
    return SignedAttempt(
        tx_hash=signed.tx_hash,
        raw=signed.raw,
        gas=signed.gas,
        max_fee_wei=signed.max_fee_wei,
        priority_fee_wei=signed.priority_fee_wei,
        at=at,
    )
