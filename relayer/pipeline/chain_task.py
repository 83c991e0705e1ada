# SPDX-License-Identifier: MIT
"""The task of one chain. At every head it verifies the header, reads logs and receipts, proves, judges,
commits.

A chain is the source of its outgoing lanes and the destination of its incoming ones, so one verified header
and one storage proof serve both, and one commit writes what they show. Nothing here waits for another chain.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

import structlog

from light_clients.errors import Rejection
from relayer.chains.base import Address, Chain, Head, TxReceipt
from relayer.consensus.base import ProvenSlot, Prover, VerifiedHeader
from relayer.errors import MisbehaviourFound, Retryable, StopLane
from relayer.journal.rows import ChainRow, StoredChain
from relayer.pipeline.chain_commit import HeaderResult, IncomingLane, OutgoingLane, prepare_commit
from relayer.pipeline.log_repair import LogRepair
from relayer.pipeline.page_window import WINDOW
from relayer.pipeline.rules.confirming import judge_bitmaps
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.page import Confirmed
from relayer.pipeline.rules.proving import (
    Chosen,
    IncomingAsk,
    OutgoingAsk,
    WantedBitmaps,
    choose_slots,
    judge_heads,
    proofs_of,
)
from relayer.pipeline.services import Services
from relayer.pipeline.unfinalized import UnfinalizedWatcher
from relayer.pipeline.wakes import Guest, HeaderListener
from relayer.pipeline.watch import HeadWatcher, LogScanner
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.sending.sender import Sender
from relayer.sending.transaction import Outcomes, Transaction, wasted_gas
from relayer.trouble import Trouble

#: How long a step waits for the sender's look, which goes on by itself then.
_LOOK_TIMEOUT_S: Final = 5.0
#: A part of a step that takes longer hangs. It is given up, and the next head tried.
STEP_TIMEOUT_S: Final = 60
#: The most messages that are read and not proven, over all lanes; with more, logs are not read on. A provider
#: that invents messages must not fill the memory.
_MOST_CANDIDATES: Final = 65_536
#: After so long without a head the chain is asked for one.
SILENCE_S: Final = 15
#: After so long without a head the chain stands still, or its providers can't be reached.
STALL_S: Final = 60

#: Of one page and header. The journal and `postroad pending` have all of them.
_MOST_REFUSALS_TOLD: Final = 16


class ChainTask:
    """Follows one chain.

    Attributes:
        chain: the chain.
        prover: our light client of it.
        row: its row in the journal.
        sender: the transactions of its accounts.
        watcher: the newest head.
        scanner: reads the logs.
        header: the newest verified header of this process; None before the first.
        verified_height: the newest verified header's block, of an earlier process at first.
        verified_timestamp: that header's time, in seconds.
        head_at: when the last head came, on the loop's clock; None before the first.
        out_lanes: the lanes that it is the source of.
        in_lanes: the lanes that it is the destination of.
        listeners: the light clients of it, which are told after every step and of misbehaviour.
        guests: the light clients on it, which are told when it can be asked again.
        misbehaviour: the proof of misbehaviour of the chain's signers, as `freeze` takes it; None for none.
        repair: reads logs again.
        unfinalized: shows what waits for finality.
    """

    def __init__(
        self,
        chain: Chain,
        prover: Prover,
        stored: StoredChain,
        sender: Sender,
        services: Services,
    ) -> None:
        self.chain = chain
        self.prover = prover
        self.row: ChainRow = stored.row
        self.sender = sender
        sender.on_outcomes = self._take_outcomes
        sender.on_funds = self._wake_recovered
        self.watcher = HeadWatcher(chain)
        self.scanner = LogScanner(chain, stored.scanned_height)
        self.header: VerifiedHeader | None = None
        self.verified_height = stored.verified_height
        self.verified_timestamp = stored.verified_timestamp
        self.head_at: float | None = None
        self.out_lanes: list[OutgoingLane] = []
        self.in_lanes: list[IncomingLane] = []
        self.listeners: list[HeaderListener] = []
        self.guests: list[Guest] = []
        self.misbehaviour: bytes | None = None
        self._woken = False
        self._services = services
        self.repair = LogRepair(chain, self.scanner, services)
        self.unfinalized = UnfinalizedWatcher(chain, prover, sender, services)
        self._is_header_stale = False
        self._is_failing = False
        self._is_silent = False
        self._state: bytes | None = stored.trusted_state
        self._log = structlog.get_logger().bind(chain=chain.name)
        self._trouble = Trouble(self._log, "step failed")
        self._silence = Trouble(self._log, "no head comes")

    # --- the loop -------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Have the newest header used again. A chain that stands still has no next one soon."""
        self._woken = True
        self.watcher.wake()

    async def run(self) -> None:
        """Take a step at every head until cancelled.

        A step that fails becomes the reason why the chain's lanes wait, and the next head is tried.
        """
        while True:
            try:
                await self.step(await self._next_head())
            except MisbehaviourFound as error:
                self.report_misbehaviour(error.freeze_data)
                self._report_failure(error, WaitingReason.CLIENT_EXPIRED)
            except StopLane as error:
                self._report_failure(error, WaitingReason.CLIENT_EXPIRED)
            except (Retryable, Rejection, TimeoutError) as error:
                self._report_failure(error, WaitingReason.RPC_TROUBLE)

    async def _next_head(self) -> Head:
        """Wait for a head. While none comes, ask now and then whether the chain can be asked at all."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SILENCE_S):
                    head = await self.watcher.next()
                    self.head_at = asyncio.get_running_loop().time()
                    self._set_silence(None)
                    return head
            # A chain that stands still has no news, and neither have providers that can't be reached.
            try:
                async with asyncio.timeout(STEP_TIMEOUT_S):
                    await self.chain.head()
            except (Retryable, TimeoutError) as error:
                detail = f"{self.chain.name}: no head comes: {str(error) or type(error).__name__}"
                self._set_silence(Waiting(WaitingReason.RPC_TROUBLE, detail))
            else:
                self._set_silence(None)

    def _set_silence(self, waiting: Waiting | None) -> None:
        recovered = self._is_silent and waiting is None
        if waiting is None:
            self._silence.over()
        else:
            self._silence.note(waiting.detail)
        self._is_silent = waiting is not None
        for lane in self.out_lanes:
            self._services.lane_waiting.set(lane.progress, "source heads", waiting)
        for inbound in self.in_lanes:
            self._services.lane_waiting.set(inbound.progress, "destination heads", waiting)
        if recovered:
            self._wake_recovered()

    def _wake_recovered(self) -> None:
        """Have what waits only because the chain could not be asked tried again at once."""
        for guest in self.guests:
            guest.recovered()
        for inbound in self.in_lanes:
            inbound.progress.recover()
            inbound.task.wake()

    def _report_failure(self, error: BaseException, reason: WaitingReason) -> None:
        self._is_failing = True
        detail = f"{self.chain.name}: {str(error) or type(error).__name__}"
        self._trouble.note(str(error) or type(error).__name__)
        self._services.metrics.step_failed(self.chain.name, type(error).__name__)
        self._set_failure(Waiting(reason, detail))

    def _set_failure(self, waiting: Waiting | None) -> None:
        for lane in self.out_lanes:
            self._services.lane_waiting.set(lane.progress, "source", waiting)
        for inbound in self.in_lanes:
            self._services.lane_waiting.set(inbound.progress, "destination", waiting)

    def report_misbehaviour(self, freeze_data: bytes) -> None:
        """Take note of a proof that the chain's signers contradict themselves, as `freeze` takes it."""
        self.misbehaviour = freeze_data
        self._notify_listeners()

    def _notify_listeners(self) -> None:
        for listener in self.listeners:
            listener.on_source_header()

    def _clear_failure(self) -> None:
        recovered, self._is_failing = self._is_failing, False
        self._trouble.over()
        self._set_failure(None)
        if recovered:
            self._wake_recovered()

    async def step(self, head: Head) -> None:
        """Do all that a new head allows, or a wake asks for.

        Raises:
            Rejection: no provider gives a header or a proof that our light client accepts.
            Retryable: the chain can't be asked.
            StopLane: our light client believes nothing of the chain any more.
        """
        woken, self._woken = self._woken, False
        started = asyncio.get_running_loop().time()
        if self.prover.has_delayed_finality:
            await self._step_by_delayed_finality(head, woken=woken)
        # Providers repeat heads and invent them. Blocks are final at once here, so older ones tell nothing.
        elif self.header is None or head.number > self.header.number:
            async with asyncio.timeout(STEP_TIMEOUT_S):
                header = await self.prover.verify_head(head)
            await self._use_header(header, head)
        elif woken:
            # A new header may not come for a while, so the verified one is used again.
            await self._use_header(self.header, head)
        else:
            return
        self._clear_failure()
        self._notify_listeners()
        self._services.metrics.step_took("head", self.chain.name, asyncio.get_running_loop().time() - started)

    async def _step_by_delayed_finality(self, head: Head, *, woken: bool) -> None:
        """Take a step on a chain with delayed finality, whose verified headers are behind the head.

        Most heads bring no new header. Transactions are followed at every head, also when headers can't be
        had, and what logs tell above the verified header is shown.
        """
        before, trouble = self.header, None
        header = before
        try:
            async with asyncio.timeout(STEP_TIMEOUT_S):
                header = await self.prover.verify_head(head, wanted=self._is_newer_wanted(head))
        except StopLane:
            # Nothing of the chain is believed any more, and transactions signed for it still have to be
            # followed.
            await self._follow_transactions(head.number)
            raise
        except (Retryable, Rejection, TimeoutError) as error:
            trouble = error
        if header is not None and (
            woken or before is None or header.hash != before.hash or self._has_work(header)
        ):
            try:
                await self._use_header(header, head)
                self._is_header_stale = False
            except (Retryable, Rejection, TimeoutError) as error:
                # Nodes forget the state of old blocks, so a newer header is asked for at the next head.
                self._is_header_stale = True
                trouble = error
        else:
            await self._follow_transactions(head.number)
        if header is not None:
            async with asyncio.timeout(STEP_TIMEOUT_S):
                await self.unfinalized.show(header, head, self.out_lanes, self.in_lanes)
        # Raised last, so that neither transactions nor what waits for finality depend on headers.
        if trouble is not None:
            raise trouble

    def _is_newer_wanted(self, head: Head) -> bool:
        if self.header is None or self._is_header_stale:
            return True
        now_s = asyncio.get_running_loop().time()
        return self.unfinalized.is_newer_wanted(self.header, head, self.out_lanes, self.in_lanes, now_s)

    def _has_work(self, header: VerifiedHeader) -> bool:
        """Return whether a header that was used before is of use again."""
        return any(self.repair.is_needed(lane) for lane in self.out_lanes) or any(
            lane.progress.is_due(page, header.number)
            for lane in self.in_lanes
            for page in lane.progress.audits
        )

    async def _follow_transactions(self, height: int) -> None:
        """Have the sender look. Its trouble is its transactions' own, and never this task's."""
        await self.sender.look_within(height, _LOOK_TIMEOUT_S)

    async def _use_header(self, header: VerifiedHeader, head: Head) -> None:
        """Read the logs up to a verified header, in spans, and prove and commit after every span."""
        # A span at a time: a long backlog is committed piece by piece, and a restart goes on from there.
        caught_up = is_full = False
        while not caught_up and not is_full:
            async with asyncio.timeout(STEP_TIMEOUT_S):
                is_full = not await self._scan(header)
                caught_up = self.scanner.scanned >= header.number
                # Receipts first: they name the pages whose bitmaps are proven at this header.
                self.sender.note_header(header)
                # A header's own number is verified; the head's may be invented.
                height = head.number if self.prover.has_delayed_finality else header.number
                await self._follow_transactions(height)
                await self._prove_and_commit(header, caught_up=caught_up, is_full=is_full)

    async def _scan(self, header: VerifiedHeader) -> bool:
        """Read the next span of logs; return False where too many that were read can't be proven.

        A log before them is missing then, which is read again. At the next head reading goes on.
        """
        if sum(len(lane.progress.candidates) for lane in self.out_lanes) > _MOST_CANDIDATES:
            return False
        observed = await self.scanner.scan(header.number)
        lanes = {lane.progress.lane.id: lane.progress for lane in self.out_lanes}
        for sent in observed.sent:
            progress = lanes.get(sent.message.lane_id)
            # The gateway's logs also tell of lanes that are not served here.
            if progress is not None:
                progress.observe(sent)
        self.scanner.scanned = observed.last
        return True

    async def _prove_and_commit(self, header: VerifiedHeader, *, caught_up: bool, is_full: bool) -> None:
        """Prove at a header what is of use, judge it, commit the result and apply it to memory."""
        now_s = asyncio.get_running_loop().time()
        chosen = self._choose_slots(header, now_s)
        slots = chosen.slots()
        proven: dict[bytes, ProvenSlot] = {}
        if slots:
            found = await self.prover.prove(header, self.chain.gateway, slots)
            proven = {value.slot: value for value in found}
        result = HeaderResult(header)
        lanes = {lane.progress.row: lane for lane in self.out_lanes}
        for wanted in chosen.heads:
            values = wanted.values(proven)
            # A lane whose first message is missing among too many is judged before its logs are all read.
            is_judged = caught_up or (is_full and not wanted.links)
            verified = judge_heads(wanted, values, header, caught_up=is_judged)
            result.verified.append(
                (lanes[wanted.progress.row], verified, proofs_of(wanted, values, verified))
            )
        self._judge_bitmaps(result, chosen.bitmaps, proven, await self._prove_nonces(header))
        state = self.prover.export_state()
        changed_state = None if state == self._state else state
        # Committed before memory changes: where the commit fails, the next step finds the same again.
        now = self._services.clock()
        await self._services.journal.commit(
            prepare_commit(result, self.row, self.out_lanes, self.scanner.scanned, changed_state, now)
        )
        self._state = state
        self.header = header
        self.verified_height, self.verified_timestamp = header.number, header.timestamp
        self._apply(result, now_s, caught_up=caught_up)
        for transaction in result.rechecks:
            if not await self.sender.still_included(transaction):
                self._log.warning(
                    "a receipt is gone, its transaction is followed again", nonce=transaction.nonce
                )

    # --- what to ask for ------------------------------------------------------------------------------------

    def _choose_slots(self, header: VerifiedHeader, now_s: float) -> Chosen:
        # Receipts of later blocks wait for a later header: the state of this one does not have their effects.
        batches = [transaction.batch for transaction in self.sender.included_batches(header.number)]
        incoming = [
            IncomingAsk(
                lane.progress,
                frozenset(
                    batch.page for batch in batches if batch is not None and batch.lane == lane.progress.row
                ),
                audit=lane.is_audit_due(now_s),
            )
            for lane in self.in_lanes
        ]
        outgoing = [
            OutgoingAsk(
                lane.progress,
                audit=lane.is_audit_due(now_s) or self.repair.is_needed(lane),
                oldest_height=lane.task.oldest_height,
            )
            for lane in self.out_lanes
            # While its logs are read again, its candidates are about to be replaced.
            if not self.repair.is_reading(lane)
        ]
        chosen = choose_slots(outgoing, incoming, header)
        lanes: tuple[OutgoingLane | IncomingLane, ...] = (*self.out_lanes, *self.in_lanes)
        for lane in lanes:
            # A lane that there was no room for is still due.
            if lane.progress.row in chosen.lanes() and lane.is_audit_due(now_s):
                lane.audited_at = now_s
        return chosen

    async def _prove_nonces(self, header: VerifiedHeader) -> dict[Address, int]:
        """Return the nonces of the accounts whose deliveries are said to have had no effect.

        A bit that is set shows that a delivery landed. That one reverted, or was cancelled, is a provider's
        word. Accounts are missing where the chain's kind has no such proof.
        """
        doubtful = {
            transaction.sender
            for transaction in self.sender.included_batches(header.number)
            if transaction.receipt is not None
            and (not transaction.receipt.succeeded or transaction.receipt.events or transaction.is_cancelled)
        }
        proven = {sender: await self.prover.prove_account(header, sender) for sender in sorted(doubtful)}
        return {sender: account.nonce for sender, account in proven.items() if account is not None}

    def _judge_bitmaps(
        self,
        result: HeaderResult,
        bitmaps: Iterable[WantedBitmaps],
        proven: dict[bytes, ProvenSlot],
        nonces: dict[Address, int],
    ) -> None:
        lanes = {lane.progress.row: lane for lane in self.in_lanes}
        included = self.sender.included_batches(result.header.number)
        now = self._services.clock()
        for wanted in bitmaps:
            judged = judge_bitmaps(wanted, proven, result.header, included, nonces, now)
            lane = lanes[wanted.progress.row]
            result.confirmed += [(lane, page, verdict) for page, verdict in judged.verdicts]
            result.settled += judged.settled
            result.rechecks += judged.doubted

    # --- acting on it ---------------------------------------------------------------------------------------

    def _take_outcomes(self, outcomes: Outcomes) -> None:
        """Take what became of transactions, after it was written."""
        lanes = {lane.progress.row: lane for lane in self.in_lanes}
        for transaction in outcomes.included:
            assert transaction.receipt is not None
            self._services.metrics.included(
                self.chain.name,
                transaction.purpose.value,
                transaction.receipt.gas_used,
                transaction.receipt.fee_wei,
                wasted_gas(transaction),
            )
            lane = lanes.get(transaction.batch.lane) if transaction.batch is not None else None
            self._tell_included(transaction, transaction.receipt, lane)
            if lane is not None and transaction.batch is not None:
                lane.progress.land(transaction.batch.page)
            if lane is not None and transaction.call is not None and transaction.receipt.succeeded:
                # Messages that were refused or late count too, because they cost gas as well.
                done = sum(said.mask.bit_count() for said in transaction.receipt.delivered) + len(
                    transaction.receipt.events
                )
                lane.task.learn(transaction.call.data, done, transaction.receipt.gas_used)
        for transaction in (*outcomes.displaced, *(known for known, _ in outcomes.given_up)):
            if transaction.batch is None or transaction.batch.lane not in lanes:
                continue
            lane = lanes[transaction.batch.lane]
            # Its messages are free again. What took its nonce may have delivered them: the bitmap shows it.
            lane.progress.give_back(transaction.batch.page, transaction.batch.mask)
            lane.progress.audit(transaction.batch.page)
        for transaction, why in outcomes.given_up:
            if transaction.batch is not None and transaction.batch.lane in lanes:
                waiting = Waiting(WaitingReason.RPC_TROUBLE, f"its transaction was given up: {why}")
                lanes[transaction.batch.lane].progress.give_up(
                    transaction.batch.page, waiting, self._services.monotonic()
                )
        if outcomes.included or outcomes.displaced or outcomes.given_up:
            # The accounts have room for more transactions now.
            for inbound in self.in_lanes:
                inbound.task.wake()

    def _tell_included(self, transaction: Transaction, receipt: TxReceipt, lane: IncomingLane | None) -> None:
        signed_s = (self._services.clock() - transaction.attempts[0].at) / 1e6
        log = self._log.bind(
            transaction=f"0x{receipt.tx_hash.hex()}",
            block=receipt.block_number,
            gas=receipt.gas_used,
            fee_wei=receipt.fee_wei,
            seconds=round(signed_s, 3),
        )
        if transaction.batch is None or lane is None:
            log.info("a transaction is included", purpose=transaction.purpose.value)
            return
        batch = transaction.batch
        log = log.bind(lane=lane.progress.name, first=batch.first, last=batch.last)
        if not receipt.succeeded:
            log.warning("a batch reverted")
            return
        executed = sum(said.mask.bit_count() for said in receipt.delivered)
        log.info("a batch is delivered", executed=executed, held_back=len(receipt.events))

    def _apply(self, result: HeaderResult, now_s: float, *, caught_up: bool) -> None:
        """Take over into memory what was committed, and wake whom it concerns."""
        now = self._services.now()
        for lane, verified, proven in result.verified:
            if verified.messages:
                lane.progress.prove(verified.messages, now, window=WINDOW)
                self._services.metrics.proven(lane.progress.name, len(verified.messages))
            lane.progress.take_proofs(proven.proofs)
            if verified.waiting is not None:
                self.repair.begin(lane, verified, self.scanner.scanned, now_s)
            elif caught_up:
                # Before the logs are read up to the header nothing is judged, so nothing may be called
                # mended.
                self.repair.succeeded(lane)
            if verified.messages or proven.proofs:
                lane.task.wake()
        for lane in self.out_lanes:
            self.repair.consider_altered(lane, now_s)
        for inbound, _, verdict in result.confirmed:
            inbound.progress.apply(verdict, now)
            self._report_verdict(inbound.progress, verdict)
        by_lane = {lane.progress.row: lane.progress for lane in self.in_lanes}
        for transaction in result.settled:
            assert transaction.batch is not None
            by_lane[transaction.batch.lane].give_back(transaction.batch.page, transaction.batch.mask)
        self.sender.settle(result.settled)
        for inbound in {id(lane): lane for lane, _, _ in result.confirmed}.values():
            self._settle(inbound.progress)
            inbound.task.wake()

    def _settle(self, progress: LaneProgress) -> None:
        """Move the lane's cursor over what is final. A restart finds it out again where the write is lost."""
        row, before = progress.row, progress.settled
        settled = progress.settle()
        if settled != before:
            self._services.journal.post(lambda writing: writing.settle_lane(row, settled))

    def _report_verdict(self, progress: LaneProgress, verdict: Confirmed) -> None:
        if verdict.unseen:
            self._log.warning(
                "a provider showed messages as delivered that are not", lane=progress.name, page=verdict.page
            )
            self._services.metrics.step_failed(self.chain.name, "FalseDelivery")
        for wait in verdict.failed[:_MOST_REFUSALS_TOLD]:
            self._log.warning(
                "a recipient refuses a message",
                lane=progress.name,
                sequence=wait.sequence,
                attempts=wait.attempts,
                reason=wait.waiting.detail,
            )
        self._services.metrics.settled(
            progress.name,
            verdict.delivered.bit_count(),
            verdict.expired.bit_count(),
            len(verdict.failed),
        )

    async def close(self) -> None:
        """Cancel what runs beside `run`."""
        await self.repair.close()
