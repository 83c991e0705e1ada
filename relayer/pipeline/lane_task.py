# SPDX-License-Identifier: MIT
"""The task of one lane: it sends the lane's batches. Several batches are under way at once.

A batch is planned, looked up on the destination, simulated, journalled and broadcast. The simulation decides,
with exactly the gas that is signed. What it can't foresee the inbox refuses, and its refusals have no effect.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

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
from relayer.journal.rows import (
    MICROS_PER_S,
    BatchRow,
    Micros,
    Purpose,
    StoredBatch,
    StoredWait,
    TransactionRow,
)
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.metrics import Metrics
from relayer.pipeline.client_task import LightClientTask
from relayer.pipeline.destination import Destination
from relayer.pipeline.lane_waiting import LaneWaiting
from relayer.pipeline.page_window import PageWindow
from relayer.pipeline.rules.batching import BatchPlan, full_messages, halve, make_batch, make_plans, ready
from relayer.pipeline.rules.confirming import refuse
from relayer.pipeline.rules.gas import GasModel
from relayer.pipeline.rules.lane import LaneProgress, PageState, indices
from relayer.pipeline.rules.story import seen_step, submitted_step
from relayer.protocol.batch import encode_batch
from relayer.protocol.delivery import Waiting, WaitingReason

#: The most batches of one lane between their plan and their broadcast.
_AT_ONCE: Final = 8
#: The most simulations of one batch with more and more gas, beside those that halving it needs.
_GAS_TRIES: Final = 5
#: The most by which the gas grows after a refusal that may come of too little gas.
_MOST_FACTOR: Final = 4.0
#: The pause after a batch that could not be sent; after every other failure in a row twice as long.
FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60.0
#: The task plans this often without a wake.
_IDLE_S: Final = 5.0
#: What a signed transaction has beside its calldata, at the most.
_SIGNATURE_BYTES: Final = 256
#: A message that fits no batch is tried again after this.
_SET_ASIDE_US: Final = 600_000_000


class _TooLargeError(Exception):
    """A single message needs more gas or more bytes than a batch may have."""

    def __init__(self, plan: BatchPlan, why: str) -> None:
        super().__init__(why)
        self.plan = plan


class LaneTask:
    """Delivers one lane's messages to its destination. `progress` is the lane's state in memory."""

    def __init__(
        self,
        progress: LaneProgress,
        destination: Destination,
        client_task: LightClientTask,
        window: PageWindow,
        journal: Journal,
        lane_waiting: LaneWaiting,
        metrics: Metrics,
        clock: Callable[[], Micros],
    ) -> None:
        self.progress = progress
        self._destination = destination
        self._client_task = client_task
        self._window = window
        self._journal = journal
        self._lane_waiting = lane_waiting
        self._metrics = metrics
        self._clock = clock
        self._gas_model = GasModel(client_task.source.prover.costs.first_base_gas)
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._paused_until = 0.0
        self._draining = False
        self._log = structlog.get_logger().bind(lane=progress.name)

    def wake(self) -> None:
        """Have the task plan again: something changed."""
        self._woken.set()

    @property
    def oldest_height(self) -> int:
        """The destination's client does not believe proofs below this block of the source any more."""
        return self._client_task.oldest_height

    def learn(self, calldata: bytes, messages: int, gas_used: int) -> None:
        """Learn from the gas that a delivery of `messages` full messages has used."""
        self._gas_model.learn(calldata, messages, gas_used)

    async def run(self) -> None:
        """Send what is ready, until cancelled or drained."""
        while not self._draining:
            self._woken.clear()
            wait_s = await self._round()
            try:
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def drain(self, timeout_s: float) -> None:
        """Start no new batch, and wait for those under way. What hangs after `timeout_s` is cancelled."""
        self._draining = True
        self._woken.set()
        if self._tasks:
            _, hanging = await asyncio.wait(set(self._tasks), timeout=timeout_s)
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    async def _round(self) -> float:
        """Start the batches that can be started, and return for how many seconds to wait at most."""
        now = self._clock()
        await self._window.refill(now)
        loop_now = asyncio.get_running_loop().time()
        if self._client_task.waiting is not None:
            self._lane_waiting.set(self.progress, "client", self._client_task.waiting)
            return _IDLE_S
        self._lane_waiting.set(self.progress, "client", None)
        if loop_now < self._paused_until:
            return self._paused_until - loop_now
        # Nothing is under way and nothing failed, so what held deliveries up is over.
        if not self._tasks and self._failures == 0:
            self._lane_waiting.set(self.progress, "delivery", None)
        plans = make_plans(
            [self.progress.pages[number] for number in sorted(self.progress.pages)],
            self._gas_model,
            self._destination.limits,
            now,
            self._destination.timestamp,
            self._client_task.oldest_height,
        )
        for plan in self._without_anchored(plans.now):
            # What is left over is planned anew when a batch ends or a transaction lands.
            if self._draining or self._slots.locked() or self._destination.sender.is_full:
                break
            await self._slots.acquire()
            # Marked before the batch starts, so that the next round does not plan these messages again.
            self.progress.pages[plan.page].in_flight |= plan.mask
            task = asyncio.create_task(self._deliver(plan))
            self._tasks.add(task)
            task.add_done_callback(self._done)
        if plans.look_again is None:
            return _IDLE_S
        return min(_IDLE_S, max(0.001, (plans.look_again - self._clock()) / MICROS_PER_S))

    def _without_anchored(self, plans: Sequence[BatchPlan]) -> list[BatchPlan]:
        """Return the plans that need not wait for an anchor, and ask for the others' anchors."""
        at = {plan.page: self._proof_height(self.progress.pages[plan.page]) for plan in plans}
        # A retry that is still refused sends no transaction, so it does not count towards an anchor.
        count = Counter(at[plan.page] for plan in plans if not plan.is_retry)
        waiting = {
            height for height in count if self._client_task.anchoring.is_worth_it(height, count[height])
        }
        for height in waiting:
            self._client_task.anchor(height)
            detail = (
                f"several batches wait until the header of block {height} is anchored, once for all of them"
            )
            self._lane_waiting.set(self.progress, "delivery", Waiting(WaitingReason.BATCH, detail))
        return [plan for plan in plans if at[plan.page] not in waiting]

    def count_ready(self, height: Height) -> int:
        """Return how many batches under a header could be sent now, at the least."""
        now = self._clock()
        pages = (page for page in self.progress.pages.values() if self._proof_height(page) == height)
        return sum(bool(ready(page, now, self._destination.timestamp)) for page in pages)

    def _proof_height(self, page: PageState) -> Height:
        return Height(0) if page.proof is None or page.proof_is_stale else Height(page.proof.height)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        self._woken.set()
        if not task.cancelled() and task.exception() is not None:
            # Nobody awaits this task. The daemon logs a defect of ours, and ends when the journal is broken.
            self._journal.note(task.exception())

    async def _deliver(self, plan: BatchPlan) -> None:
        """Send one batch, from plan to broadcast.

        What is not sent can be planned again, and the lane has the reason.
        """
        page = self.progress.pages[plan.page]
        signed = 0
        try:
            signed = await self._try_deliver(plan, page)
            self._failures = 0
            self._lane_waiting.set(self.progress, "delivery", None)
        except JournalError:
            raise
        except _TooLargeError as error:
            # Only this message is too large, so it waits alone and the lane goes on.
            await self._set_aside(error.plan, page, str(error))
        # Before StopLane and Retryable, which some reverts are as well.
        except CallReverted as error:
            # The simulation refused what our own client believes: the destination's client has moved on, or
            # the lane is paused. Both are read again, and a newer proof is asked for.
            page.proof_is_stale = True
            self._client_task.recheck()
            self._client_task.source.wake()
            self._pause(_reason_of(error))
        except FeeLimitReached as error:
            self._pause(Waiting(WaitingReason.GAS_PRICE, str(error)))
        except (InsufficientFunds, KeyUnavailable) as error:
            self._pause(Waiting(WaitingReason.FUNDS, str(error)))
        except StopLane as error:
            self._client_task.recheck()
            self._pause(Waiting(WaitingReason.PAUSED, str(error)))
        except (Retryable, Drop, TimeoutError) as error:
            self._pause(Waiting(WaitingReason.RPC_TROUBLE, str(error) or type(error).__name__))
        except Exception as error:
            # A defect of ours: the lane pauses, so that it does not fail again at once, and `_done` reports
            # it.
            self._pause(
                Waiting(WaitingReason.RPC_TROUBLE, f"{type(error).__name__} in the relayer; see its log")
            )
            raise
        finally:
            # What was signed stays marked until its effect is proven or its nonce went elsewhere, since it
            # may land at any time (INV-6).
            page.in_flight &= ~(plan.mask & ~signed)

    def _pause(self, waiting: Waiting) -> None:
        pause_s = min(_LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures, 10))
        self._failures += 1
        self._paused_until = asyncio.get_running_loop().time() + pause_s
        self._lane_waiting.set(self.progress, "delivery", waiting)
        self._log.warning("a batch could not be sent", reason=str(waiting), again_in_s=pause_s)

    async def _try_deliver(self, plan: BatchPlan, page: PageState) -> int:
        """Send the messages of a plan that are worth it, and return those that were signed, as bits."""
        started = asyncio.get_running_loop().time()
        destination = self._destination
        # Relaying is open to all: one cheap read saves the gas of messages that somebody else has delivered.
        bitmap = await destination.chain.delivered_bitmap(self.progress.lane.id, plan.page)
        if bitmap & plan.mask:
            await self._mark_seen(page, bitmap & plan.mask)
            plan = BatchPlan(plan.page, plan.mask & ~bitmap, plan.is_retry)
        if not plan.mask:
            return 0
        plan, call, simulated = await self._simulate(plan, page)
        if simulated.executed == 0:
            if simulated.already_delivered:
                await self._mark_seen(page, plan.mask)
                return 0
            # A first refusal is sent all the same: only the event of a transaction tells the recipient's
            # reason (INV-10), and a simulation counts refusals without one. Later tries are simulated alone.
            if plan.is_retry or not simulated.failed:
                await self._keep_waiting(plan, page, simulated)
                return 0
        tracked = await destination.sender.send(call, Purpose.DELIVER, self._recorder(plan, page, simulated))
        self._metrics.submitted(self.progress.name, plan.mask.bit_count())
        self._metrics.step_took("submit", self.progress.name, asyncio.get_running_loop().time() - started)
        assert tracked.batch is not None
        return plan.mask

    async def _simulate(self, plan: BatchPlan, page: PageState) -> tuple[BatchPlan, Call, SimulatedDelivery]:
        """Find the gas with which a batch passes its simulation. A batch that needs too much is halved.

        Raises:
            CallReverted: the destination refuses it for another reason than gas.
            _TooLargeError: a single message wants more than a batch may have.
        """
        chain, most = self._destination.chain, self._destination.limits.most_gas
        sender = self._destination.account
        factor = 1.0
        for _ in range(_GAS_TRIES + plan.mask.bit_count().bit_length()):
            # Read anew in every round: the chain's task may have renewed the proof during a simulation.
            assert page.proof is not None
            batch = encode_batch(make_batch(self.progress.lane, page, plan.mask))
            height = Height(page.proof.height)
            short = self._client_task.anchoring.shorten(height, page.proof.proof)
            proof = page.proof.proof if short is None else short
            calldata = chain.deliver_call(batch, proof, 0).data
            if len(calldata) + _SIGNATURE_BYTES > self._destination.sender.most_bytes:
                plan = self._shrink(plan)
                continue
            estimate = self._gas_model.estimate(calldata, full_messages(page, plan.mask), most=most)
            gas = min(most, int(estimate * factor))
            try:
                simulated = await chain.simulate_deliver(sender, batch, proof, gas)
            except CallReverted as error:
                if _wants_gas(error) or self._may_want_gas(error, factor, short):
                    # More gas first: a smaller batch pays the base cost another time.
                    if gas < most:
                        factor *= 2.0
                    elif plan.mask.bit_count() > 1:
                        plan = halve(plan)
                    elif _wants_gas(error):
                        why = f"it wants more than the {most} gas that batch.max_gas_share allows; raise it"
                        raise _TooLargeError(plan, why) from error
                    else:
                        raise
                elif short is not None:
                    # A newer anchor took its place, or its block is gone: the whole proof is tried next.
                    self._client_task.anchoring.refuse(height)
                else:
                    raise
            else:
                return plan, chain.deliver_call(batch, proof, gas), simulated
        raise Retryable(
            f"a batch of {plan.mask.bit_count()} messages for which no gas was found",
            "a simulation that passes",
        )

    def _shrink(self, plan: BatchPlan) -> BatchPlan:
        """Return half of a plan whose bytes nodes refuse, whatever gas they come with.

        Raises _TooLargeError for a single message.
        """
        if plan.mask.bit_count() == 1:
            most_bytes = self._destination.sender.most_bytes
            raise _TooLargeError(
                plan, f"it takes more than the {most_bytes} bytes that nodes take; raise that"
            )
        return halve(plan)

    def _may_want_gas(self, error: CallReverted, factor: float, short: bytes | None) -> bool:
        """Return whether a refusal may come of too little gas.

        A precompile that runs out of gas looks like a bad signature.
        """
        suspects = self._client_task.source.prover.costs.gas_suspects
        is_suspect = bool(suspects) and (not error.name or error.name in suspects)
        return is_suspect and short is None and factor < _MOST_FACTOR

    # --- the journal ----------------------------------------------------------------------------------------

    def _recorder(
        self, plan: BatchPlan, page: PageState, simulated: SimulatedDelivery
    ) -> Callable[[Writing, TransactionRow], StoredBatch]:
        assert page.proof is not None
        # Gathered in the loop's thread, because `record` runs in the journal's.
        places = list(indices(plan.mask))
        first, last = page.first + places[0], page.first + places[-1]
        height, now = page.proof.height, self._clock()
        detail = {"messages": len(places), "proof_height": height, "simulated_failures": simulated.failed}

        def record(writing: Writing, transaction: TransactionRow) -> StoredBatch:
            unnumbered = StoredBatch(
                row=BatchRow(0),
                lane=self.progress.row,
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
        """Note messages that a provider shows as delivered.

        They are not sent; the next header has to prove them.
        """
        mask &= page.open & ~page.seen
        page.seen |= mask
        page.seen_at = max(page.seen_at, self._destination.newest_block)
        self.progress.audits.add(page.page)
        self._destination.wake()
        if mask:
            step = seen_step(self.progress.row, page.page, mask, self._clock())
            await self._journal.commit(lambda writing: writing.add_transitions([step]))

    async def _set_aside(self, plan: BatchPlan, page: PageState, why: str) -> None:
        """Let a message that fits no batch wait for the operator to allow more. It is tried now and then."""
        now, (index,) = self._clock(), indices(plan.mask)
        wait = StoredWait(
            lane=self.progress.row,
            sequence=page.first + index,
            waiting=Waiting(WaitingReason.FEE_POLICY, why),
            since=now,
            attempts=1,
            not_before=Micros(now + _SET_ASIDE_US),
        )
        page.waits[index] = wait
        await self._journal.commit(lambda writing: writing.put_waits([wait]))

    async def _keep_waiting(self, plan: BatchPlan, page: PageState, simulated: SimulatedDelivery) -> None:
        """Let messages wait of which the simulation executes none.

        Their recipient refuses them, or they are late.
        """
        # A simulation is a provider's word, so that only a proven bitmap ends the message (INV-3).
        if simulated.expired:
            self.progress.audits.add(page.page)
        now = self._clock()
        waits: list[StoredWait] = []
        for index in indices(plan.mask):
            before = page.waits.get(index)
            # The reason was decoded from the first refusal's event, and `refuse` keeps it behind the colon.
            said = "the recipient refuses it" if before is None else before.waiting.detail.partition(": ")[2]
            waits.append(refuse(self.progress.row, page, index, said, now))
        for wait in waits:
            page.waits[wait.sequence & 0xFF] = wait
        await self._journal.commit(lambda writing: writing.put_waits(waits))


def _wants_gas(error: CallReverted) -> bool:
    # Besides the inbox's own check, a call that runs out of gas reverts without data.
    return error.name == "InsufficientGas" or (not error.name and not error.data)


_PAUSES: Final = frozenset({"RemoteIsPaused", "InboundLaneIsPaused", "UnknownRemote", "UnsupportedLaneFlags"})


def _reason_of(error: CallReverted) -> Waiting:
    if error.name in _PAUSES:
        return Waiting(WaitingReason.PAUSED, str(error))
    if error.name == "NotActive":
        return Waiting(WaitingReason.CLIENT_EXPIRED, str(error))
    return Waiting(WaitingReason.CLIENT_UPDATE, f"the destination refuses the proof: {error}")
