# SPDX-License-Identifier: MIT
"""The task of one lane: it sends the lane's batches. Several batches are under way at once.

A batch is planned, looked up on the destination, simulated, journalled and offered. The simulation decides,
with exactly the gas that is signed. What it can't foresee the inbox refuses, and its refusals have no effect.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from relayer.journal.writing import Writing
from relayer.pipeline.client_task import LightClientTask
from relayer.pipeline.destination import Destination
from relayer.pipeline.page_window import PageWindow
from relayer.pipeline.rules.batching import BatchPlan, full_messages, halve, make_batch, make_plans, ready
from relayer.pipeline.rules.confirming import refuse
from relayer.pipeline.rules.gas import GasModel
from relayer.pipeline.rules.instant import Instant
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.page import PageState, indices
from relayer.pipeline.rules.story import seen_step, submitted_step
from relayer.pipeline.services import Services
from relayer.protocol.batch import encode_batch
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.trouble import Trouble

#: The most batches of one lane between their plan and their first offer.
_AT_ONCE: Final = 8
#: The most simulations of one batch with more and more gas, beside those that halving it needs.
_GAS_TRIES: Final = 5
#: The most by which the gas grows after a refusal that may come of too little gas.
_MOST_FACTOR: Final = 4.0
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


@dataclass(frozen=True, slots=True)
class _AwaitedAnchors:
    """The plans that wait for no anchor, and what the others wait for; None where there are none."""

    others: list[BatchPlan]
    waiting: Waiting | None


class LaneTask:
    """Delivers one lane's messages to its destination. `progress` is the lane's state in memory."""

    def __init__(
        self,
        progress: LaneProgress,
        destination: Destination,
        client_task: LightClientTask,
        window: PageWindow,
        services: Services,
    ) -> None:
        self.progress = progress
        self._destination = destination
        self._client_task = client_task
        self._window = window
        self._services = services
        self._gas_model = GasModel(client_task.source.prover.costs.first_base_gas)
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self._trouble = Trouble(structlog.get_logger().bind(lane=progress.name), "a batch could not be sent")

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
        await self._window.refill()
        self._set_waiting("client", self._client_task.waiting)
        if self._client_task.waiting is not None:
            return _IDLE_S
        plans = make_plans(
            self.progress.in_order(),
            self._gas_model,
            self._destination.limits,
            self._services.monotonic(),
            self._destination.timestamp,
            self._client_task.oldest_height,
        )
        awaits_anchor = self._await_anchors(plans.now)
        # A page that is held back explains more than one that waits for company.
        self._set_waiting("delivery", self.progress.held_for() or awaits_anchor.waiting)
        for plan in awaits_anchor.others:
            # What is left over is planned anew when a batch ends or a transaction lands.
            if self._draining or self._slots.locked() or self._destination.sender.is_full:
                break
            await self._slots.acquire()
            # Marked before the batch starts, so that the next round does not plan these messages again.
            self.progress.pages[plan.page].carry(plan.mask)
            task = asyncio.create_task(self._deliver(plan))
            self._tasks.add(task)
            task.add_done_callback(self._done)
        if plans.look_again is None:
            return _IDLE_S
        return min(_IDLE_S, max(0.001, (plans.look_again - self._services.monotonic()) / MICROS_PER_S))

    def _set_waiting(self, part: str, waiting: Waiting | None) -> None:
        self._services.lane_waiting.set(self.progress, part, waiting)

    def _await_anchors(self, plans: Sequence[BatchPlan]) -> _AwaitedAnchors:
        """Ask for the anchors that plans should wait for, and return the plans that need not wait."""
        at = {plan.page: self._proof_height(self.progress.pages[plan.page]) for plan in plans}
        # A retry that is still refused sends no transaction, so it does not count towards an anchor.
        count = Counter(at[plan.page] for plan in plans if not plan.is_retry)
        awaited = {
            height
            for height in count
            if self._client_task.anchoring.is_worth_it(height, count[height], self._client_task.count_ready)
        }
        waiting = None
        for height in awaited:
            self._client_task.anchor(height)
            detail = (
                f"several batches wait until the header of block {height} is anchored, once for all of them"
            )
            waiting = Waiting(WaitingReason.BATCH, detail)
        return _AwaitedAnchors([plan for plan in plans if at[plan.page] not in awaited], waiting)

    def count_ready(self, height: Height) -> int:
        """Return how many batches under a header could be sent now, at the least."""
        now = self._services.monotonic()
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
            self._services.journal.note(task.exception())

    async def _deliver(self, plan: BatchPlan) -> None:
        """Send one batch, from its plan to its first offer.

        What is not sent can be planned again, and the lane has the reason.
        """
        page = self.progress.pages[plan.page]
        signed = 0
        try:
            signed = await self._try_deliver(plan, page)
            page.let_go()
            self.progress.recover()
        except JournalError:
            raise
        except _TooLargeError as error:
            # Only this message is too large, so it waits alone and the lane goes on.
            await self._set_aside(error.plan, page, str(error))
        # Before StopLane and Retryable, which some reverts are as well.
        except CallReverted as error:
            # The simulation refused what our own client believes: the destination's client has moved on, or
            # the lane is paused. Both are read again, and a newer proof is asked for.
            page.doubt_proof()
            self._client_task.recheck()
            self._client_task.source.wake()
            self._hold_back(page, _reason_of(error), is_refusal=True)
        except FeeLimitReached as error:
            self._hold_back(page, Waiting(WaitingReason.GAS_PRICE, str(error)))
        except (InsufficientFunds, KeyUnavailable) as error:
            self._hold_back(page, Waiting(WaitingReason.FUNDS, str(error)))
        except StopLane as error:
            self._client_task.recheck()
            self._hold_back(page, Waiting(WaitingReason.PAUSED, str(error)), is_refusal=True)
        except (Retryable, Drop, TimeoutError) as error:
            self._hold_back(page, Waiting(WaitingReason.RPC_TROUBLE, str(error) or type(error).__name__))
        except Exception as error:
            # A defect of ours: the page pauses, so that it does not fail again at once, and `_done` reports
            # it.
            detail = f"{type(error).__name__} in the relayer; see its log"
            self._hold_back(page, Waiting(WaitingReason.RPC_TROUBLE, detail), is_refusal=True)
            raise
        finally:
            # What was signed stays marked until its effect is proven or its nonce went elsewhere, since it
            # may land at any time (INV-6).
            page.give_back(plan.mask & ~signed)

    def _hold_back(self, page: PageState, waiting: Waiting, *, is_refusal: bool = False) -> None:
        pause_s = page.hold_back(waiting, self._services.monotonic(), is_refusal=is_refusal)
        self._set_waiting("delivery", self.progress.held_for())
        self._trouble.note(str(waiting), page=page.page, again_in_s=pause_s)

    def waits_in_flight(self) -> dict[int, list[tuple[int, WaitingReason]]]:
        """Return by page what transactions with its messages wait for, as LaneProgress.count takes it."""
        waits: dict[int, list[tuple[int, WaitingReason]]] = {}
        for transaction in self._destination.sender.transactions:
            batch = transaction.batch
            if batch is None or batch.lane != self.progress.row:
                continue
            reason = transaction.waiting.reason if transaction.receipt is None else WaitingReason.FINALITY
            waits.setdefault(batch.page, []).append((batch.mask, reason))
        return waits

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
        transaction = await destination.sender.send(
            call, Purpose.DELIVER, self._recorder(plan, page, simulated)
        )
        self._trouble.over()
        self._services.metrics.submitted(self.progress.name, plan.mask.bit_count())
        self._services.metrics.step_took(
            "submit", self.progress.name, asyncio.get_running_loop().time() - started
        )
        assert transaction.batch is not None
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
            if len(calldata) + _SIGNATURE_BYTES > self._destination.sender.limits.most_bytes:
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
            most_bytes = self._destination.sender.limits.most_bytes
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
        height, now = page.proof.height, self._services.clock()
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
        fresh = page.see(mask, self._destination.newest_block)
        self.progress.audit(page.page)
        self._destination.wake()
        if fresh:
            step = seen_step(self.progress.row, page.page, fresh, self._services.clock())
            await self._services.journal.commit(lambda writing: writing.add_transitions([step]))

    async def _set_aside(self, plan: BatchPlan, page: PageState, why: str) -> None:
        """Let a message that fits no batch wait for the operator to allow more. It is tried now and then."""
        now = self._services.now()
        waits = [
            StoredWait(
                lane=self.progress.row,
                sequence=page.first + index,
                waiting=Waiting(WaitingReason.FEE_POLICY, why),
                since=now.wall,
                attempts=1,
                not_before=Micros(now.wall + _SET_ASIDE_US),
            )
            # Somebody else may have delivered it meanwhile.
            for index in indices(plan.mask & page.open)
        ]
        await self._let_wait(page, waits, now)

    async def _keep_waiting(self, plan: BatchPlan, page: PageState, simulated: SimulatedDelivery) -> None:
        """Let messages wait of which the simulation executes none.

        Their recipient refuses them, or they are late.
        """
        # A simulation is a provider's word, so that only a proven bitmap ends the message (INV-3).
        if simulated.expired:
            self.progress.audit(page.page)
        now = self._services.now()
        waits: list[StoredWait] = []
        for index in indices(plan.mask & page.open):
            before = page.waits.get(index)
            # The reason was decoded from the first refusal's event, and `refuse` keeps it behind the colon.
            said = (
                "the recipient refuses it"
                if before is None
                else before.stored.waiting.detail.partition(": ")[2]
            )
            waits.append(refuse(self.progress.row, page, index, said, now.wall))
        await self._let_wait(page, waits, now)

    async def _let_wait(self, page: PageState, waits: list[StoredWait], now: Instant) -> None:
        for wait in waits:
            page.wait(wait, now)
        await self._services.journal.commit(lambda writing: writing.put_waits(waits))


def _wants_gas(error: CallReverted) -> bool:
    # Besides the inbox's own check, a call that runs out of gas reverts without data.
    return error.name == "InsufficientGas" or (not error.name and not error.data)


_PAUSES: Final = frozenset(
    {
        "RemoteIsPaused",
        "InboundLaneIsPaused",
        "RemoteIsSucceeded",
        "BeyondRetirement",
        "UnknownRemote",
        "UnsupportedLaneFlags",
    }
)


def _reason_of(error: CallReverted) -> Waiting:
    if error.name in _PAUSES:
        return Waiting(WaitingReason.PAUSED, str(error))
    if error.name == "NotActive":
        return Waiting(WaitingReason.CLIENT_EXPIRED, str(error))
    return Waiting(WaitingReason.CLIENT_UPDATE, f"the destination refuses the proof: {error}")
