# SPDX-License-Identifier: MIT
"""Transactions from signature to settlement, on one chain: committed before broadcast, followed, replaced, mended.

A signed transaction may land at any time until its nonce is taken by another, whatever providers say. So its messages
are never signed into a second transaction before that, except under the same nonce (INV-6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from light_clients.codec import rlp
from light_clients.errors import Rejection
from relayer.chains.base import Address, Call, Chain, SignedTransaction, TxHash, TxReceipt
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
from relayer.pipeline.confirm import was_wasted
from relayer.pipeline.tracked_transaction import TrackedTransaction
from relayer.pipeline.transitions import included_steps, reopened_steps, returned_steps
from relayer.protocol.delivery import Waiting, WaitingReason

T = TypeVar("T")

#: After so many blocks without it, a transaction is offered again; after so many more it is replaced at a higher price.
_BLOCKS_TO_REBROADCAST = 3
_BLOCKS_TO_REPLACE = 6
#: So many heads in a row must show the nonce taken and no receipt before a transaction counts as displaced.
_LOOKS_TO_DISPLACE = 3
_RECEIPTS_AT_ONCE = 16
#: Nodes forget what an account has waiting beyond a few dozen; what they forget has to be offered again.
_MOST_OPEN = 60


@dataclass(frozen=True, slots=True)
class PollResult:
    """What a look at the chain changed."""

    included: tuple[TrackedTransaction, ...]
    displaced: tuple[TrackedTransaction, ...]


class TransactionTracker:
    """All transactions of one chain's accounts."""

    def __init__(self, chain: Chain, row: ChainRow, journal: Journal, clock: Callable[[], Micros]) -> None:
        self._chain = chain
        self._row = row
        self._journal = journal
        self._clock = clock
        self._log = structlog.get_logger().bind(chain=chain.name)
        self._critical: set[asyncio.Task[object]] = set()
        self.live: dict[TransactionRow, TrackedTransaction] = {}
        self.height = 0
        self.gas_used = 0
        self.wasted_gas = 0

    # --- a restart ---

    def recover(self, stored: Iterable[StoredTransaction], batches: Iterable[StoredBatch]) -> None:
        """Take over what an earlier process signed. `offer_recovered` gives it to the chain again."""
        of = {batch.transaction: batch for batch in batches}
        for each in stored:
            self.live[each.row] = TrackedTransaction(
                row=each.row,
                purpose=each.purpose,
                sender=each.sender,
                nonce=each.nonce,
                attempts=list(each.attempts),
                call=read_call(each.attempts[-1].raw),
                batch=of.get(each.row),
                # An included one is looked up again: the receipt itself is not kept, and may be gone.
                receipt=None,
            )

    async def offer_recovered(self) -> None:
        """Broadcast what an earlier process signed and perhaps never broadcast, by nonce.

        Until each was offered once nothing new is signed: the chain would hand out their nonces again.

        Raises:
            Retryable: the chain can't be reached.
        """
        for each in self._open():
            if not each.is_offered:
                await self._offer(each)

    # --- sending ---

    async def send(
        self, call: Call, purpose: Purpose, record: Callable[[Writing, TransactionRow], StoredBatch | None]
    ) -> TrackedTransaction:
        """Sign a call, commit it, broadcast it. `record` writes, in the same commit, what the transaction is for.

        Once this returns, or raises anything but what `Chain.prepare` raises, the transaction may be in the journal; it
        is then in `live`. A broadcast that fails is not an error here: it is done again.

        Raises:
            FeeLimitReached, InsufficientFunds, Retryable: nothing was signed.
            JournalBroken: nothing was broadcast.
        """
        if any(not each.is_offered for each in self._open()):
            await self.offer_recovered()
        # A cancelled caller must not leave a nonce that is taken and never used.
        live = await self._shielded(self._sign_and_commit(call, purpose, record))
        try:
            await self._offer(live)
        except Retryable as error:
            self._log.warning("broadcast failed, it is done again", nonce=live.nonce, error=str(error))
        return live

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
            self._chain.abandon(signed)
            raise
        live = TrackedTransaction(
            row=row,
            purpose=purpose,
            sender=signed.sender,
            nonce=signed.nonce,
            attempts=[attempt],
            call=call,
            batch=batch,
            # The chain knows its own nonces; only those of an earlier process have to be shown to it first.
            is_offered=True,
            signed_height=self.height,
        )
        self.live[row] = live
        return live

    async def _shielded(self, work: Awaitable[T]) -> T:
        task = asyncio.ensure_future(work)
        self._critical.add(task)
        task.add_done_callback(self._critical.discard)
        return await asyncio.shield(task)

    async def finish_critical(self, timeout_s: float) -> None:
        """Wait until nothing is between its signature and its commit, so that the journal can be closed.

        What hangs before its signature is given up: nothing of it has left the process.
        """
        if self._critical:
            _, hanging = await asyncio.wait(set(self._critical), timeout=timeout_s)
            for each in hanging:
                each.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    async def _offer(self, each: TrackedTransaction) -> None:
        """Broadcast the newest signature. Raises Retryable when nobody could be told."""
        each.offered_height = self.height
        try:
            await self._chain.broadcast(each.newest.raw)
        except InsufficientFunds as error:
            each.waiting = Waiting(WaitingReason.FUNDS, str(error))
        except Underpriced as error:
            each.waiting = Waiting(WaitingReason.GAS_PRICE, str(error))
            # The next look replaces it.
            each.signed_height = min(each.signed_height, self.height - _BLOCKS_TO_REPLACE)
        except NonceConflict:
            # It may be our own that is in a block already: the receipt or the account's nonce decides.
            each.waiting = None
        else:
            each.waiting = None
        each.is_offered = True

    # --- following ---

    async def poll(self, height: int) -> PollResult:
        """Look for receipts at a new head and mend what does not get in.

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
                receipts = await asyncio.gather(*(self._find_receipt(each) for each in several))
                included += [
                    each for each, receipt in zip(several, receipts, strict=True) if receipt is not None
                ]
                missing = [each for each, receipt in zip(several, receipts, strict=True) if receipt is None]
                if missing:
                    # Nonces are served in order: if these are not in, later ones are not either.
                    displaced += await self._mend(missing)
                    break
        if included or displaced:
            now = self._clock()
            steps = [
                *included_steps(included, now),
                *returned_steps(displaced, "its nonce went to another transaction", now),
            ]
            await self._journal.commit(lambda writing: _write_poll(writing, included, displaced, steps))
        for each in displaced:
            self._forget(each)
        for each in included:
            assert each.receipt is not None
            self.gas_used += each.receipt.gas_used
            self.wasted_gas += _wasted(each)
            if each.purpose is not Purpose.DELIVER:
                self._forget(each)
        return PollResult(tuple(included), tuple(displaced))

    async def _find_receipt(self, each: TrackedTransaction) -> TxReceipt | None:
        for attempt in reversed(each.attempts):
            receipt = await self._chain.receipt(TxHash(attempt.tx_hash))
            if receipt is not None:
                each.receipt = receipt
                each.waiting = None
                return receipt
        return None

    async def _mend(self, missing: list[TrackedTransaction]) -> list[TrackedTransaction]:
        first = missing[0]
        displaced: list[TrackedTransaction] = []
        if self.height - first.signed_height >= _BLOCKS_TO_REBROADCAST:
            taken = await self._chain.nonce(Address(first.sender))
            for each in missing:
                each.misses = each.misses + 1 if each.nonce < taken else 0
                if each.misses >= _LOOKS_TO_DISPLACE:
                    displaced.append(each)
        for each in missing:
            if each in displaced or each.misses:
                continue
            if self.height - each.offered_height >= _BLOCKS_TO_REBROADCAST:
                await self._offer(each)
        if (
            not first.misses
            and first.call is not None
            and self.height - first.signed_height >= _BLOCKS_TO_REPLACE
        ):
            await self._replace(first)
        return displaced

    async def _replace(self, each: TrackedTransaction) -> None:
        """Sign the same call under the same nonce at a higher price."""
        try:
            await self._shielded(self._sign_replacement(each))
            await self._offer(each)
        except FeeLimitReached as error:
            each.waiting = Waiting(WaitingReason.GAS_PRICE, str(error))
            each.signed_height = self.height
        except Retryable as error:
            each.waiting = Waiting(WaitingReason.RPC_TROUBLE, str(error))

    async def _sign_replacement(self, each: TrackedTransaction) -> None:
        assert each.call is not None
        signed = await self._chain.replace(each.signed(), each.call)
        attempt = _attempt(signed, self._clock())
        await self._journal.commit(lambda writing: writing.add_attempt(each.row, attempt))
        each.attempts.append(attempt)
        each.signed_height = self.height

    # --- settling ---

    def included_batches(self, height: int) -> list[TrackedTransaction]:
        """The deliver transactions that providers show at or below a height."""
        return [
            each
            for each in self.live.values()
            if each.batch is not None and each.receipt is not None and each.receipt.block_number <= height
        ]

    @property
    def is_busy(self) -> bool:
        """Whether more transactions wait for a block than nodes keep of an account."""
        return len(self._open()) >= _MOST_OPEN * max(1, len(self._chain.senders))

    def in_flight(self, lane: LaneRow, page: int) -> int:
        """The messages of a page that signed transactions carry."""
        mask = 0
        for each in self.live.values():
            if each.batch is not None and each.batch.lane == lane and each.batch.page == page:
                mask |= each.batch.mask
        return mask

    def open_calls(self, purpose: Purpose, to: bytes) -> list[TrackedTransaction]:
        """The transactions with this purpose to this address that may still land."""
        return [
            each
            for each in self._open()
            if each.purpose is purpose and each.call is not None and each.call.to == to
        ]

    async def still_included(self, each: TrackedTransaction) -> bool:
        """Look again for a receipt that the proven state contradicts.

        Raises:
            Retryable: the chain can't be asked.
        """
        before, each.receipt = each.receipt, None
        found = await self._find_receipt(each)
        if found is None:
            # Its gas was counted when it was included, and will be again.
            assert before is not None
            self.gas_used -= before.gas_used
            steps = list(reopened_steps(each, self._clock()))
            await self._journal.commit(lambda writing: _write_reopened(writing, each.row, steps))
        return found is not None

    def settle(self, writing: Writing, each: TrackedTransaction) -> None:
        """Write that nothing more is expected of a transaction; `forget` follows once it is committed."""
        writing.set_transaction_state(each.row, TransactionState.SETTLED)

    def forget(self, settled: Iterable[TrackedTransaction]) -> None:
        """Drop settled transactions from memory."""
        for each in settled:
            self._forget(each)

    def _forget(self, each: TrackedTransaction) -> None:
        self.live.pop(each.row, None)
        each.settled.set()

    def _open(self) -> list[TrackedTransaction]:
        return sorted(
            (each for each in self.live.values() if each.receipt is None), key=lambda each: each.nonce
        )

    def _by_sender(self) -> list[list[TrackedTransaction]]:
        groups: dict[bytes, list[TrackedTransaction]] = {}
        for each in self._open():
            groups.setdefault(each.sender, []).append(each)
        return list(groups.values())


def _write_poll(
    writing: Writing,
    included: list[TrackedTransaction],
    displaced: list[TrackedTransaction],
    steps: list[Transition],
) -> None:
    for each in included:
        receipt = each.receipt
        assert receipt is not None
        writing.include_transaction(
            each.row,
            included_hash=receipt.tx_hash,
            block_number=receipt.block_number,
            block_hash=receipt.block_hash,
            succeeded=receipt.succeeded,
            gas_used=receipt.gas_used,
            fee_wei=receipt.fee_wei,
            wasted_gas=_wasted(each),
        )
        if each.purpose is not Purpose.DELIVER:
            writing.set_transaction_state(each.row, TransactionState.SETTLED)
    for each in displaced:
        writing.set_transaction_state(each.row, TransactionState.DISPLACED)
    writing.add_transitions(steps)


def _write_reopened(writing: Writing, row: TransactionRow, steps: list[Transition]) -> None:
    writing.set_transaction_state(row, TransactionState.OPEN)
    writing.add_transitions(steps)


def _wasted(each: TrackedTransaction) -> int:
    assert each.receipt is not None
    return each.receipt.gas_used if was_wasted(each.receipt, each.batch) else 0


def _attempt(signed: SignedTransaction, at: Micros) -> SignedAttempt:
    return SignedAttempt(
        tx_hash=signed.tx_hash,
        raw=signed.raw,
        gas=signed.gas,
        max_fee_wei=signed.max_fee_wei,
        priority_fee_wei=signed.priority_fee_wei,
        at=at,
    )


_EIP1559 = 2


def read_call(raw: bytes) -> Call | None:
    """The call that signed bytes make (EIP-1559), to sign it again at another price; None for bytes of another kind."""
    try:
        fields = rlp.decode(raw[1:]) if raw[:1] == bytes((_EIP1559,)) else None
    except Rejection:
        return None
    if not isinstance(fields, list) or len(fields) != 12:
        return None
    gas, to, value, data = fields[4:8]
    if not (
        isinstance(gas, bytes)
        and isinstance(to, bytes)
        and isinstance(value, bytes)
        and isinstance(data, bytes)
    ):
        return None
    return Call(Address(to), data, gas=int.from_bytes(gas), value_wei=int.from_bytes(value))
