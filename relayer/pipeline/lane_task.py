# SPDX-License-Identifier: MIT
"""Submit: batches of one lane, each looked up, simulated, journalled, then broadcast. Several are under way at once.

What decides is always the simulation with precisely the gas that is signed; what it can't tell is caught by the inbox,
whose every refusal leaves no effect.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from light_clients.client import Height
from relayer.chains.base import Call, SimulatedDelivery
from relayer.errors import (
    CallReverted,
    Drop,
    FeeLimitReached,
    InsufficientFunds,
    KeyUnavailable,
    Retryable,
    StopLane,
)
from relayer.journal.errors import JournalError
from relayer.journal.rows import BatchRow, Micros, Purpose, StoredBatch, StoredWait, TransactionRow
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.metrics import Metrics
from relayer.pipeline.client_task import LightClientTask
from relayer.pipeline.confirm import refuse
from relayer.pipeline.destination import Destination
from relayer.pipeline.gas import GasModel
from relayer.pipeline.lane_state import LaneProgress, PageState, indices
from relayer.pipeline.lane_waiting import Reasons
from relayer.pipeline.page_window import PageWindow
from relayer.pipeline.plan import Plan, full_messages, halve, make_batch, make_plans, ready
from relayer.pipeline.transitions import seen_step, submitted_step
from relayer.protocol.batch import encode_batch
from relayer.protocol.delivery import Waiting, WaitingReason

_MICROS = 1_000_000
#: Batches of one lane between their plan and their broadcast.
_AT_ONCE = 8
#: Simulations of one batch with more and more gas.
_GAS_TRIES = 5
#: Refusals that may come of too little gas are tried with up to so much more.
_MOST_FACTOR = 4.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
#: Without news the lane looks around this often.
_IDLE_S = 5.0
_SET_ASIDE_US = 600_000_000


class _TooLargeError(Exception):
    """One message alone wants more gas than a batch may have."""

    def __init__(self, plan: Plan, most: int) -> None:
        super().__init__(f"it wants more than the {most} gas that batch.max_gas_share allows; raise it")
        self.plan = plan


class LaneTask:
    """Delivers one lane's messages to its destination."""

    def __init__(
        self,
        book: LaneProgress,
        destination: Destination,
        keeper: LightClientTask,
        shelf: PageWindow,
        journal: Journal,
        reasons: Reasons,
        metrics: Metrics,
        clock: Callable[[], Micros],
    ) -> None:
        self.book = book
        self._destination = destination
        self._keeper = keeper
        self._shelf = shelf
        self._journal = journal
        self._reasons = reasons
        self._metrics = metrics
        self._clock = clock
        # Too much costs nothing: the signatures of trailing chains are costly ones.
        self._model = GasModel(keeper.source.prover.costs.first_base_gas)
        self._fresh = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._paused_until = 0.0
        self._draining = False
        self._log = structlog.get_logger().bind(lane=book.name)

    def wake(self) -> None:
        """Something changed: look what can be sent."""
        self._fresh.set()

    @property
    def oldest_height(self) -> int:
        """Proofs below this height are of signers that the destination's client no longer trusts."""
        return self._keeper.oldest_height

    def learn(self, calldata: bytes, messages: int, gas_used: int) -> None:
        """Take what a delivery has used."""
        self._model.learn(calldata, messages, gas_used)

    async def run(self) -> None:
        """Send what is ready, until cancelled or drained."""
        while not self._draining:
            self._fresh.clear()
            wait_s = await self._round()
            try:
                async with asyncio.timeout(wait_s):
                    await self._fresh.wait()
            except TimeoutError:
                continue

    async def drain(self, timeout_s: float) -> None:
        """Start nothing new, and wait for what is between its simulation and its broadcast; what hangs is given up."""
        self._draining = True
        self._fresh.set()
        if self._tasks:
            _, hanging = await asyncio.wait(set(self._tasks), timeout=timeout_s)
            for each in hanging:
                each.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    async def _round(self) -> float:
        """Start every batch that can be started; return after how many seconds to look again at the latest."""
        now = self._clock()
        await self._shelf.refill(now)
        loop_now = asyncio.get_running_loop().time()
        if self._keeper.waiting is not None:
            self._reasons.set(self.book, "client", self._keeper.waiting)
            return _IDLE_S
        self._reasons.set(self.book, "client", None)
        if loop_now < self._paused_until:
            return self._paused_until - loop_now
        if not self._tasks and self._failures == 0:
            self._reasons.set(self.book, "delivery", None)
        plans = make_plans(
            [self.book.pages[number] for number in sorted(self.book.pages)],
            self._model,
            self._destination.limits,
            now,
            self._destination.timestamp,
            self._keeper.oldest_height,
        )
        for plan in self._without_anchored(plans.now):
            if self._draining or self._slots.locked() or self._destination.tracker.is_busy:
                break
            await self._slots.acquire()
            self.book.pages[plan.page].in_flight |= plan.mask
            task = asyncio.create_task(self._deliver(plan))
            self._tasks.add(task)
            task.add_done_callback(self._done)
        if plans.look_again is None:
            return _IDLE_S
        return min(_IDLE_S, max(0.001, (plans.look_again - self._clock()) / _MICROS))

    def _without_anchored(self, plans: Sequence[Plan]) -> list[Plan]:
        """Those plans that need not wait until their header is anchored, which is asked for here."""
        at = {plan.page: self._proof_height(self.book.pages[plan.page]) for plan in plans}
        count = Counter(at[plan.page] for plan in plans if not plan.is_retry)
        waiting = {height for height in count if self._keeper.anchoring.is_worth_it(height, count[height])}
        for height in waiting:
            self._keeper.anchor(height)
            detail = (
                f"several batches wait until the header of block {height} is anchored, once for all of them"
            )
            self._reasons.set(self.book, "delivery", Waiting(WaitingReason.BATCH, detail))
        return [plan for plan in plans if at[plan.page] not in waiting]

    def count_ready(self, height: Height) -> int:
        """At least how many batches under a header could be sent now."""
        now = self._clock()
        pages = (page for page in self.book.pages.values() if self._proof_height(page) == height)
        return sum(bool(ready(page, now, self._destination.timestamp)) for page in pages)

    def _proof_height(self, page: PageState) -> Height:
        return Height(0) if page.proof is None or page.proof_is_stale else Height(page.proof.height)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        self._fresh.set()
        if not task.cancelled() and task.exception() is not None:
            # A fault of ours: the lane's supervisor must hear of it, or the journal is broken and the daemon ends.
            self._journal.note(task.exception())

    async def _deliver(self, plan: Plan) -> None:
        """One batch, from plan to broadcast. What can't be sent is given back, with the reason."""
        page = self.book.pages[plan.page]
        signed = 0
        try:
            signed = await self._try_deliver(plan, page)
            self._failures = 0
            self._reasons.set(self.book, "delivery", None)
        except JournalError:
            raise
        except _TooLargeError as error:
            # Its own fault, so the lane goes on without it.
            await self._set_aside(error.plan, page, str(error))
        except CallReverted as error:
            # The simulation refused what our own client believes: its client moved on, or something is paused.
            page.proof_is_stale = True
            self._keeper.suspect()
            self._keeper.source.nudge()
            self._pause(_reason_of(error))
        except FeeLimitReached as error:
            self._pause(Waiting(WaitingReason.GAS_PRICE, str(error)))
        except (InsufficientFunds, KeyUnavailable) as error:
            self._pause(Waiting(WaitingReason.FUNDS, str(error)))
        except StopLane as error:
            self._keeper.suspect()
            self._pause(Waiting(WaitingReason.PAUSED, str(error)))
        except (Retryable, Drop, TimeoutError) as error:
            self._pause(Waiting(WaitingReason.RPC_TROUBLE, str(error) or type(error).__name__))
        except Exception as error:
            # A fault of ours: not again at once, and whoever watches the tasks hears of it.
            self._pause(
                Waiting(WaitingReason.RPC_TROUBLE, f"{type(error).__name__} in the relayer; see its log")
            )
            raise
        finally:
            page.in_flight &= ~(plan.mask & ~signed)

    def _pause(self, waiting: Waiting) -> None:
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._failures, 10))
        self._failures += 1
        self._paused_until = asyncio.get_running_loop().time() + pause_s
        self._reasons.set(self.book, "delivery", waiting)
        self._log.warning("a batch could not be sent", reason=str(waiting), again_in_s=pause_s)

    async def _try_deliver(self, plan: Plan, page: PageState) -> int:
        """Send what of a plan is worth sending; return the messages that a signed transaction carries now."""
        started = asyncio.get_running_loop().time()
        destination = self._destination
        word = await destination.chain.delivered_bitmap(self.book.lane.id, plan.page)
        if word & plan.mask:
            await self._mark_seen(page, word & plan.mask)
            plan = Plan(plan.page, plan.mask & ~word, plan.is_retry)
        if not plan.mask:
            return 0
        plan, call, simulated = await self._simulate(plan, page)
        if simulated.executed == 0:
            if simulated.already_delivered:
                await self._mark_seen(page, plan.mask)
                return 0
            if plan.is_retry or not simulated.failed:
                await self._keep_waiting(plan, page, simulated)
                return 0
        destination.check_spending()
        live = await destination.tracker.send(call, Purpose.DELIVER, self._recorder(plan, page, simulated))
        self._metrics.submitted(self.book.name, plan.mask.bit_count())
        self._metrics.step_took("submit", self.book.name, asyncio.get_running_loop().time() - started)
        assert live.batch is not None
        return plan.mask

    async def _simulate(self, plan: Plan, page: PageState) -> tuple[Plan, Call, SimulatedDelivery]:
        """Find the gas with which a batch goes through; a batch that needs too much is halved.

        Raises:
            CallReverted: the destination refuses it for another reason than gas.
            _TooLargeError: a single message wants more than a batch may have.
        """
        chain, most = self._destination.chain, self._destination.limits.most_gas
        sender = self._destination.sender
        factor = 1.0
        for _ in range(_GAS_TRIES + plan.mask.bit_count().bit_length()):
            assert page.proof is not None
            batch = encode_batch(make_batch(self.book.lane, page, plan.mask))
            height = Height(page.proof.height)
            short = self._keeper.anchoring.shorten(height, page.proof.proof)
            proof = page.proof.proof if short is None else short
            calldata = chain.deliver_call(batch, proof, 0).data
            estimate = self._model.estimate(calldata, full_messages(page, plan.mask), most=most)
            gas = min(most, int(estimate * factor))
            try:
                simulated = await chain.simulate_deliver(sender, batch, proof, gas)
            except CallReverted as error:
                if _wants_gas(error) or self._may_want_gas(error, factor, short):
                    if gas < most:
                        factor *= 2.0
                    elif plan.mask.bit_count() > 1:
                        plan = halve(plan)
                    elif _wants_gas(error):
                        raise _TooLargeError(plan, most) from error
                    else:
                        raise
                elif short is not None:
                    # Somebody's newer anchor took its place, or its block is gone.
                    self._keeper.anchoring.refuse(height)
                else:
                    raise
            else:
                return plan, chain.deliver_call(batch, proof, gas), simulated
        raise Retryable(
            f"a batch of {plan.mask.bit_count()} messages for which no gas was found",
            "a simulation that passes",
        )

    def _may_want_gas(self, error: CallReverted, factor: float, short: bytes | None) -> bool:
        """Whether a refusal may come of a precompile that ran out of gas, which looks like a signature that does not hold."""
        suspects = self._keeper.source.prover.costs.gas_suspects
        is_suspect = bool(suspects) and (not error.name or error.name in suspects)
        return is_suspect and short is None and factor < _MOST_FACTOR

    # --- the journal ---

    def _recorder(
        self, plan: Plan, page: PageState, simulated: SimulatedDelivery
    ) -> Callable[[Writing, TransactionRow], StoredBatch]:
        assert page.proof is not None
        places = list(indices(plan.mask))
        first, last = page.first + places[0], page.first + places[-1]
        height, now = page.proof.height, self._clock()
        detail = {"messages": len(places), "proof_height": height, "simulated_failures": simulated.failed}

        def record(writing: Writing, transaction: TransactionRow) -> StoredBatch:
            unnumbered = StoredBatch(
                row=BatchRow(0),
                lane=self.book.row,
                page=page.page,
                first=first,
                last=last,
                mask=plan.mask,
                proof_height=height,
                transaction=transaction,
            )
            batch = unnumbered.numbered(writing.add_batch(unnumbered))
            writing.add_transitions([submitted_step(batch, detail, now)])
            return batch

        return record

    async def _mark_seen(self, page: PageState, mask: int) -> None:
        """A provider shows these as delivered: not sent, and proven at the destination's next header."""
        mask &= page.open & ~page.seen
        page.seen |= mask
        page.seen_at = max(page.seen_at, self._destination.newest_block)
        self.book.audits.add(page.page)
        self._destination.nudge()
        if mask:
            step = seen_step(self.book.row, page.page, mask, self._clock())
            await self._journal.commit(lambda writing: writing.add_transitions([step]))

    async def _set_aside(self, plan: Plan, page: PageState, why: str) -> None:
        """A message that does not fit a batch waits for the operator to allow more, and is tried now and then."""
        now, (index,) = self._clock(), indices(plan.mask)
        wait = StoredWait(
            lane=self.book.row,
            sequence=page.first + index,
            waiting=Waiting(WaitingReason.FEE_POLICY, why),
            since=now,
            attempts=1,
            not_before=Micros(now + _SET_ASIDE_US),
        )
        page.waits[index] = wait
        await self._journal.commit(lambda writing: writing.put_waits([wait]))

    async def _keep_waiting(self, plan: Plan, page: PageState, simulated: SimulatedDelivery) -> None:
        """Nothing would be executed, so nothing is paid: refused again, or too late."""
        if simulated.expired:
            self.book.audits.add(page.page)
        now = self._clock()
        waits: list[StoredWait] = []
        for index in indices(plan.mask):
            before = page.waits.get(index)
            said = "the recipient refuses it" if before is None else before.waiting.detail.partition(": ")[2]
            waits.append(refuse(self.book.row, page, index, said, now))
        for wait in waits:
            page.waits[wait.sequence & 0xFF] = wait
        await self._journal.commit(lambda writing: writing.put_waits(waits))


def _wants_gas(error: CallReverted) -> bool:
    # A call that runs out of gas outside of the inbox's own check reverts without data.
    return error.name == "InsufficientGas" or (not error.name and not error.data)


_PAUSES = frozenset({"RemoteIsPaused", "InboundLaneIsPaused", "UnknownRemote", "UnsupportedLaneFlags"})


def _reason_of(error: CallReverted) -> Waiting:
    if error.name in _PAUSES:
        return Waiting(WaitingReason.PAUSED, str(error))
    if error.name == "NotActive":
        return Waiting(WaitingReason.CLIENT_EXPIRED, str(error))
    return Waiting(WaitingReason.CLIENT_UPDATE, f"the destination refuses the proof: {error}")
