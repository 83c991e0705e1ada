# SPDX-License-Identifier: MIT
"""One chain at work: at each head, verify it, read the logs, look for receipts, prove, judge, and commit it all at once.

A chain is the source of its outgoing lanes and the destination of its incoming ones, so one verified header and one
storage proof serve both. Nothing here waits for another chain.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from light_clients.errors import Rejection
from relayer.chains.base import Chain, Head
from relayer.consensus.base import ProvenSlot, Prover, VerifiedHeader
from relayer.errors import MisbehaviourFound, Retryable, StopLane
from relayer.journal.rows import ChainRow, Micros, StoredChain
from relayer.journal.store import Journal
from relayer.metrics import Metrics
from relayer.pipeline.chain_commit import InLane, Outcome, OutLane, write_down
from relayer.pipeline.confirm import IncludedBatch, judge_word, was_wasted
from relayer.pipeline.lane_state import LaneProgress, PageState
from relayer.pipeline.lane_waiting import Reasons
from relayer.pipeline.log_repair import LogRepair
from relayer.pipeline.page_window import WINDOW
from relayer.pipeline.prove import MOST_SLOTS, WantedHeads, WantedWords, judge_heads, proofs_of, want_heads
from relayer.pipeline.steps import Confirmed, Proven, Verified
from relayer.pipeline.tracked_transaction import TrackedTransaction
from relayer.pipeline.transactions import TransactionTracker
from relayer.pipeline.unfinalized import UnfinalizedWatcher
from relayer.pipeline.watch import HeadWatcher, LogScanner
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.message import PAGE_SIZE

_MICROS = 1_000_000
#: How often a lane's tail is proven though no log speaks of it: hidden logs are found within this.
_AUDIT_SOURCE_S = 10
#: How often the words of pages with open messages are proven though nothing of ours is in flight.
_AUDIT_DESTINATION_S = 30
#: A step that takes longer hangs; its supervisor starts the chain's work again.
_STEP_TIMEOUT_S = 60
#: Messages read and not proven, over all lanes; more are not read while these can't be proven.
_MOST_CANDIDATES = 65_536
#: How often what several providers say of one header is compared.
_WITNESS_S = 60
#: No head for so long means trouble with the providers, or a chain that stands still.
STALL_S = 60


class ChainTask:
    """Follows one chain."""

    def __init__(
        self,
        chain: Chain,
        prover: Prover,
        stored: StoredChain,
        tracker: TransactionTracker,
        journal: Journal,
        reasons: Reasons,
        metrics: Metrics,
        clock: Callable[[], Micros],
    ) -> None:
        self.chain = chain
        self.prover = prover
        self.row: ChainRow = stored.row
        self.tracker = tracker
        self.watcher = HeadWatcher(chain)
        self.scanner = LogScanner(chain, stored.scanned_height)
        self.header: VerifiedHeader | None = None
        self.verified_height = stored.verified_height
        self.verified_timestamp = stored.verified_timestamp
        self.head_at: float | None = None
        self.out_lanes: list[OutLane] = []
        self.in_lanes: list[InLane] = []
        self.on_header: list[Callable[[], None]] = []
        self.misbehaviour: bytes | None = None
        self._nudged = False
        self._journal = journal
        self._reasons = reasons
        self._metrics = metrics
        self._clock = clock
        self.repair = LogRepair(chain, self.scanner, journal, reasons, metrics, clock)
        self.lookout = UnfinalizedWatcher(chain, prover, tracker, journal, reasons, clock)
        self._is_header_stale = False
        self._state: bytes | None = stored.trusted_state
        self._log = structlog.get_logger().bind(chain=chain.name)

    # --- the loop ---

    def nudge(self) -> None:
        """Look again at the newest header: a chain that stands still has no next one soon."""
        self._nudged = True
        self.watcher.nudge()

    async def run(self) -> None:
        """Take one step a head until cancelled. A head that can't be used is told as the reason, and the next one tried."""
        while True:
            head = await self.watcher.next()
            self.head_at = asyncio.get_running_loop().time()
            try:
                await self.step(head)
            except MisbehaviourFound as error:
                self.misbehaviour = error.freeze_data
                self._tell()
                self._trouble(error, WaitingReason.CLIENT_EXPIRED)
            except StopLane as error:
                self._trouble(error, WaitingReason.CLIENT_EXPIRED)
            except (Retryable, Rejection, TimeoutError) as error:
                self._trouble(error, WaitingReason.RPC_TROUBLE)

    def _trouble(self, error: BaseException, reason: WaitingReason) -> None:
        detail = f"{self.chain.name}: {str(error) or type(error).__name__}"
        self._log.warning("step failed", error=str(error) or type(error).__name__)
        self._metrics.step_failed(self.chain.name, type(error).__name__)
        for lane in self.out_lanes:
            self._reasons.set(lane.book, "source", Waiting(reason, detail))
        for inbound in self.in_lanes:
            self._reasons.set(inbound.book, "destination", Waiting(reason, detail))

    def _tell(self) -> None:
        for tell in self.on_header:
            tell()

    def _no_trouble(self) -> None:
        for lane in self.out_lanes:
            self._reasons.set(lane.book, "source", None)
        for inbound in self.in_lanes:
            self._reasons.set(inbound.book, "destination", None)

    async def step(self, head: Head) -> None:
        """Everything that one new head brings.

        Raises:
            Rejection: the provider's header or proof is not to be believed.
            Retryable: the chain can't be asked.
        """
        nudged, self._nudged = self._nudged, False
        started = asyncio.get_running_loop().time()
        if self.prover.has_delayed_finality:
            await self._step_trailing(head, nudged=nudged)
        elif self.header is None or head.number > self.header.number:
            async with asyncio.timeout(_STEP_TIMEOUT_S):
                header = await self.prover.verify_head(head)
            await self._work(header, head)
        elif nudged:
            await self._work(self.header, head)
        else:
            return
        self._no_trouble()
        self._tell()
        self._metrics.step_took("head", self.chain.name, asyncio.get_running_loop().time() - started)

    async def _step_trailing(self, head: Head, *, nudged: bool) -> None:
        """A head of a chain whose verified headers trail it: most bring no new header, and only what is sent ahead of
        finality is looked at. Transactions are followed at every one, whatever trouble there is with headers.
        """
        before, trouble = self.header, None
        header = before
        try:
            async with asyncio.timeout(_STEP_TIMEOUT_S):
                header = await self.prover.verify_head(head, wanted=self._is_newer_wanted(head))
        except StopLane:
            # Nothing that the chain shows is believed any more; what was signed for it has to get in all the same.
            with contextlib.suppress(Retryable, TimeoutError):
                async with asyncio.timeout(_STEP_TIMEOUT_S):
                    await self._follow_transactions(head)
            raise
        except (Retryable, Rejection, TimeoutError) as error:
            trouble = error
        if header is not None and (
            nudged or before is None or header.hash != before.hash or self._has_work(header)
        ):
            try:
                await self._work(header, head)
                self._is_header_stale = False
            except (Retryable, Rejection, TimeoutError) as error:
                # Nodes forget the state of old blocks: a newer header may be of more use.
                self._is_header_stale = True
                trouble = error
        else:
            async with asyncio.timeout(_STEP_TIMEOUT_S):
                await self._follow_transactions(head)
        if header is not None:
            async with asyncio.timeout(_STEP_TIMEOUT_S):
                await self.lookout.look(header, head, self.out_lanes, self.in_lanes)
        if trouble is not None:
            raise trouble

    def _is_newer_wanted(self, head: Head) -> bool:
        if self.header is None or self._is_header_stale:
            return True
        now_s = asyncio.get_running_loop().time()
        return self.lookout.is_newer_wanted(self.header, head, self.out_lanes, self.in_lanes, now_s)

    def _has_work(self, header: VerifiedHeader) -> bool:
        """Whether a header that was worked with before has more to say."""
        return any(self.repair.is_needed(lane) for lane in self.out_lanes) or any(
            _is_due(lane.book, page, header.number) for lane in self.in_lanes for page in lane.book.audits
        )

    async def _follow_transactions(self, head: Head) -> None:
        polled = await self.tracker.poll(head.number)
        self._after_poll(polled.included, polled.displaced)

    async def _work(self, header: VerifiedHeader, head: Head) -> None:
        """All that a verified header is good for."""
        caught_up = False
        while not caught_up:
            async with asyncio.timeout(_STEP_TIMEOUT_S):
                await self._scan(header)
                caught_up = self.scanner.scanned >= header.number
                await self._follow_transactions(head)
                await self._look(header, caught_up=caught_up)

    async def _scan(self, header: VerifiedHeader) -> None:
        """Read on in the logs, unless what was read already can't be proven."""
        if sum(len(lane.book.candidates) for lane in self.out_lanes) > _MOST_CANDIDATES:
            return
        observed = await self.scanner.scan(header.number)
        lanes = {lane.book.lane.id: lane.book for lane in self.out_lanes}
        for sent in observed.sent:
            book = lanes.get(sent.message.lane_id)
            if book is not None:
                book.candidates.append(sent)
        self.scanner.scanned = observed.last

    async def _look(self, header: VerifiedHeader, *, caught_up: bool) -> None:
        """Prove at a header whatever is of use, judge it, commit it, then act on it."""
        now_s = asyncio.get_running_loop().time()
        heads, words = self._wanted(header, now_s)
        asked = [
            *(slot for each in heads for slot in each.slots()),
            *(slot for each in words for slot in each.slots()),
        ]
        slots = tuple(dict.fromkeys(asked))
        proven: dict[bytes, ProvenSlot] = {}
        if slots:
            found = await self.prover.prove(header, self.chain.gateway, slots)
            proven = {each.slot: each for each in found}
        outcome = Outcome(header)
        lanes = {lane.book.row: lane for lane in self.out_lanes}
        for wanted in heads:
            values = wanted.values(proven)
            verified = judge_heads(wanted, values, header, caught_up=caught_up)
            outcome.verified.append((lanes[wanted.book.row], verified, proofs_of(wanted, values, verified)))
        self._judge_words(outcome, words, proven)
        state = self.prover.export_state()
        changed_state = None if state == self._state else state
        now = self._clock()
        await self._journal.commit(
            write_down(
                outcome, self.row, self.out_lanes, self.tracker, self.scanner.scanned, changed_state, now
            )
        )
        self._state = state
        self.header = header
        self.verified_height, self.verified_timestamp = header.number, header.timestamp
        self._apply(outcome, now_s, caught_up=caught_up)
        for each in outcome.suspects:
            if not await self.tracker.still_included(each):
                self._log.warning("a receipt is gone, its transaction is followed again", nonce=each.nonce)

    # --- what to ask for ---

    def _wanted(self, header: VerifiedHeader, now_s: float) -> tuple[list[WantedHeads], list[WantedWords]]:
        room = MOST_SLOTS
        words = []
        included = self.tracker.included_batches(header.number)
        for lane in self.in_lanes:
            book = lane.book
            pages = {
                each.batch.page for each in included if each.batch is not None and each.batch.lane == book.row
            }
            pages |= {page for page in book.audits if _is_due(book, page, header.number)}
            if now_s - lane.audited_at >= _AUDIT_DESTINATION_S:
                lane.audited_at = now_s
                pages |= {page.page for page in book.pages.values() if page.open}
            pages |= {
                page.page for page in book.pages.values() if page.past_deadline(page.open, header.timestamp)
            }
            taken = tuple(sorted(pages & book.pages.keys()))[: room // 2]
            room -= len(taken)
            if taken:
                words.append(WantedWords(book, taken))
        heads = []
        for out in self.out_lanes:
            if self.repair.is_reading(out):
                continue
            audit = now_s - out.audited_at >= _AUDIT_SOURCE_S or self.repair.is_needed(out)
            if audit:
                out.audited_at = now_s
            wanted = want_heads(
                out.book, header.number, audit=audit, oldest_height=out.oldest_height(), room=room
            )
            if wanted.pages:
                room -= len(wanted.pages)
                heads.append(wanted)
            if room <= 0:
                break
        return heads, words

    def _judge_words(
        self, outcome: Outcome, words: list[WantedWords], proven: dict[bytes, ProvenSlot]
    ) -> None:
        lanes = {lane.book.row: lane for lane in self.in_lanes}
        included = self.tracker.included_batches(outcome.header.number)
        now = self._clock()
        for wanted in words:
            for page, slot in wanted.values(proven).items():
                book = wanted.book.pages[page]
                here = [
                    each
                    for each in included
                    if each.batch is not None
                    and each.batch.lane == wanted.book.row
                    and each.batch.page == page
                ]
                batches = [
                    IncludedBatch(each.batch, each.receipt)
                    for each in here
                    if each.batch is not None and each.receipt is not None
                ]
                word = int.from_bytes(slot.value)
                verdict = judge_word(wanted.book.row, book, word, outcome.header, batches, now)
                for each in here:
                    assert each.batch is not None
                    assert each.receipt is not None
                    # Its receipt promised bits that the proven state does not have: is it still there?
                    if each.receipt.succeeded and each.batch.mask & verdict.returned:
                        outcome.suspects.append(each)
                    outcome.settled.append(each)
                outcome.confirmed.append((lanes[wanted.book.row], book, verdict))
        if outcome.suspects:
            outcome.settled = [each for each in outcome.settled if each not in outcome.suspects]

    # --- acting on it ---

    def _after_poll(
        self, included: tuple[TrackedTransaction, ...], displaced: tuple[TrackedTransaction, ...]
    ) -> None:
        lanes = {lane.book.row: lane for lane in self.in_lanes}
        for each in included:
            assert each.receipt is not None
            wasted = each.receipt.gas_used if was_wasted(each.receipt, each.batch) else 0
            self._metrics.included(
                self.chain.name, each.purpose.value, each.receipt.gas_used, each.receipt.fee_wei, wasted
            )
            lane = lanes.get(each.batch.lane) if each.batch is not None else None
            if lane is not None and each.call is not None and each.receipt.succeeded:
                done = sum(said.mask.bit_count() for said in each.receipt.delivered) + len(
                    each.receipt.events
                )
                lane.learn(each.call.data, done, each.receipt.gas_used)
        for each in displaced:
            if each.batch is None or each.batch.lane not in lanes:
                continue
            lane = lanes[each.batch.lane]
            page = lane.book.pages.get(each.batch.page)
            if page is not None:
                page.in_flight &= ~each.batch.mask
                lane.book.audits.add(page.page)
        if included or displaced:
            # An account that was busy may have room again.
            for inbound in self.in_lanes:
                inbound.wake()

    def _apply(self, outcome: Outcome, now_s: float, *, caught_up: bool) -> None:
        now = self._clock()
        for lane, verified, proven in outcome.verified:
            self._apply_heads(lane, verified, proven, now, now_s, caught_up=caught_up)
        for lane in self.out_lanes:
            self.repair.consider_altered(lane, now_s)
        for inbound, page, verdict in outcome.confirmed:
            self._apply_word(inbound, page, verdict)
        by_lane = {lane.book.row: lane for lane in self.in_lanes}
        for each in outcome.settled:
            assert each.batch is not None
            carried = by_lane[each.batch.lane].book.pages.get(each.batch.page)
            if carried is not None:
                carried.in_flight &= ~each.batch.mask
        self.tracker.forget(outcome.settled)
        for inbound in {id(each): each for each, _, _ in outcome.confirmed}.values():
            self._settle(inbound.book)
            inbound.wake()

    def _settle(self, book: LaneProgress) -> None:
        """Move the lane's cursor over what is final. Should the write be lost, a restart works it out again."""
        row, before = book.row, book.settled
        settled = book.settle()
        if settled != before:
            self._journal.post(lambda writing: writing.settle_lane(row, settled))

    def _apply_heads(
        self, lane: OutLane, verified: Verified, proven: Proven, now: Micros, now_s: float, *, caught_up: bool
    ) -> None:
        book = lane.book
        for each in verified.messages:
            number = each.message.page
            page = book.pages.get(number)
            is_first = each.message.sequence % PAGE_SIZE == 0
            if is_first and number == book.next_page and len(book.pages) < WINDOW:
                page = book.pages[number] = PageState(number, book.proven_head)
                book.next_page = number + 1
            if page is not None:
                page.add(each.message, each.leaf, each.head, now)
            book.proven_head = each.head
        if verified.messages:
            book.proven += len(verified.messages)
            book.proven_block = verified.messages[-1].block_number
            book.candidates = [sent for sent in book.candidates if sent.message.sequence >= book.proven]
            self._metrics.proven(book.name, len(verified.messages))
        for proof in proven.proofs:
            page = book.pages.get(proof.page)
            if page is not None:
                page.proof, page.proof_is_stale = proof, False
        if verified.waiting is not None:
            self.repair.begin(lane, verified, self.scanner.scanned, now_s)
        elif caught_up:
            self.repair.succeeded(lane)
        if verified.messages or proven.proofs:
            lane.wake()

    def _apply_word(self, lane: InLane, page: PageState, verdict: Confirmed) -> None:
        final = verdict.delivered | verdict.expired
        page.delivered |= verdict.delivered
        page.expired |= verdict.expired
        page.height = max(page.height, verdict.height)
        page.seen &= ~(final | verdict.unseen)
        for index in [index for index in page.waits if final >> index & 1]:
            del page.waits[index]
        for wait in verdict.failed:
            page.waits[wait.sequence & 0xFF] = wait
        if _is_due(lane.book, page.page, verdict.height):
            lane.book.audits.discard(page.page)
        if verdict.unseen:
            self._log.warning(
                "a provider showed messages as delivered that are not", lane=lane.book.name, page=page.page
            )
            self._metrics.step_failed(self.chain.name, "FalseDelivery")
        self._metrics.settled(
            lane.book.name, verdict.delivered.bit_count(), verdict.expired.bit_count(), len(verdict.failed)
        )

    async def witness(self) -> None:
        """Compare what the chain's providers say, at a bounded rate, until cancelled: two headers that contradict one
        another, each signed, freeze the clients that believe their signers.
        """
        while True:
            await asyncio.sleep(_WITNESS_S)
            if self.header is None or self.misbehaviour is not None:
                continue
            try:
                async with asyncio.timeout(_STEP_TIMEOUT_S):
                    found = await self.prover.look_for_misbehaviour()
            except (Retryable, Rejection, StopLane, TimeoutError) as error:
                self._log.info("providers could not be compared", error=str(error) or type(error).__name__)
                continue
            if found is not None:
                self._log.error("misbehaviour: providers show two headers that contradict one another")
                self.misbehaviour = found
                self._tell()

    async def close(self) -> None:
        """Stop what runs beside the loop."""
        await self.repair.close()


def _is_due(book: LaneProgress, page: int, height: int) -> bool:
    """Whether a header says anything of what a provider showed of a page."""
    return page in book.pages and book.pages[page].seen_at <= height
