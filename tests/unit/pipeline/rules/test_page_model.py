# SPDX-License-Identifier: MIT
"""A page beside a model that keeps one plain record a message: after any legal changes, in any order, both
say the same, and what can't be true is never true.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relayer.pipeline.rules.instant import Instant, Ticks
from relayer.pipeline.rules.page import PageState, indices
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.message import MessageId
from tests.unit.pipeline.rules.samples import NOW, make_message, make_proof, make_wait, verdict

MOST = 12
MASKS = st.integers(0, (1 << MOST) - 1)


@dataclass
class Known:
    """One message, as the model has it."""

    altered: bool
    end: str = ""
    carried: bool = False
    seen: bool = False
    waits_until: int | None = None


class PageMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.page = PageState(3, b"p" * 32)
        self.model: list[Known] = []
        self.now = NOW
        self.held_until = 0

    def bits(self, mask: int) -> list[Known]:
        return [known for index, known in enumerate(self.model) if mask >> index & 1]

    def mask(self, *, free: bool = False) -> int:
        """The messages that are open, or free."""
        return sum(
            1 << index
            for index, known in enumerate(self.model)
            if not known.end and not (free and (known.altered or known.carried or known.seen))
        )

    @precondition(lambda self: len(self.model) < MOST)
    @rule(altered=st.booleans())
    def prove(self, altered: bool) -> None:
        place = len(self.model)
        message = make_message(self.page.first + place)
        told = make_message(message.sequence, payload=b"altered") if altered else message
        self.page.add(told, message.id, place.to_bytes(32), self.now)
        self.model.append(Known(altered))

    @rule(mask=MASKS)
    def carry(self, mask: int) -> None:
        mask &= self.mask(free=True)
        self.page.carry(mask)
        for known in self.bits(mask):
            known.carried = True

    @rule(mask=MASKS)
    def give_back(self, mask: int) -> None:
        self.page.give_back(mask)
        for known in self.bits(mask):
            known.carried = False

    @rule(mask=MASKS, at=st.integers(0, 9))
    def see(self, mask: int, at: int) -> None:
        fresh = self.page.see(mask, at)
        assert fresh == mask & self.mask() & ~sum(1 << i for i, known in enumerate(self.model) if known.seen)
        for known in self.bits(fresh):
            known.seen = True

    @rule(delivered=MASKS, expired=MASKS, unseen=MASKS, failed=MASKS)
    def judge(self, delivered: int, expired: int, unseen: int, failed: int) -> None:
        delivered, expired = delivered & self.mask(), expired & self.mask() & ~delivered
        failed &= self.mask() & ~delivered & ~expired
        waits = tuple(
            make_wait(self.page.first + index, WaitingReason.RECIPIENT_REVERTS, not_before=self.now.wall + 3)
            for index in indices(failed)
        )
        self.page.apply(verdict(delivered=delivered, expired=expired, unseen=unseen, failed=waits), self.now)
        for mask, end in ((delivered, "delivered"), (expired, "expired")):
            for known in self.bits(mask):
                known.end, known.seen, known.waits_until = end, False, None
        for known in self.bits(unseen):
            known.seen = False
        for known in self.bits(failed):
            known.waits_until = self.now.ticks + 3

    @precondition(lambda self: any(known.altered for known in self.model))
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from([i for i, known in enumerate(self.model) if known.altered]))
        self.page.restore(index, make_message(self.page.first + index))
        self.model[index].altered, self.model[index].waits_until = False, None

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def take_proof(self, data: st.DataObject) -> None:
        self.page.take_proof(make_proof(self.page, data.draw(st.integers(0, len(self.model) - 1))))

    @rule(us=st.integers(0, 5))
    def let_time_pass(self, us: int) -> None:
        self.now = Instant(self.now.wall, Ticks(self.now.ticks + us))

    @rule(is_refusal=st.booleans())
    def hold_back(self, is_refusal: bool) -> None:
        pause_s = self.page.hold_back(Waiting(WaitingReason.FUNDS), self.now.ticks, is_refusal=is_refusal)
        self.held_until = self.now.ticks + int(pause_s * 1_000_000)

    @rule()
    def let_go(self) -> None:
        self.page.let_go()
        self.held_until = 0

    @invariant()
    def nothing_is_true_that_can_not_be(self) -> None:
        page = self.page
        assert page.delivered & page.expired == 0
        assert page.final & (page.in_flight | page.seen | page.free) == 0
        assert all(page.open >> index & 1 for index in page.waits)
        assert (page.delivered | page.expired | page.carried | page.seen | page.altered) & ~page.known == 0
        assert page.in_flight & ~page.open == 0
        assert page.proof is None or page.proof.last < page.first + len(page.messages)
        assert page.count_waiting(WaitingReason.BATCH).total() == page.open.bit_count()

    @invariant()
    def the_model_says_the_same(self) -> None:
        for index, known in enumerate(self.model):
            bit = 1 << index
            assert bool(self.page.delivered & bit) == (known.end == "delivered")
            assert bool(self.page.expired & bit) == (known.end == "expired")
            assert bool(self.page.carried & bit) == known.carried
            assert bool(self.page.seen & bit) == known.seen
            assert bool(self.page.altered & bit) == known.altered
            wait = self.page.waits.get(index)
            assert (None if wait is None else wait.until) == known.waits_until
            assert (self.page.messages[index].id == MessageId(self.page.leaves[index])) != known.altered
        ready = self.mask(free=True) & ~sum(
            1 << index
            for index, known in enumerate(self.model)
            if known.waits_until is not None and known.waits_until > self.now.ticks
        )
        assert self.page.ready(self.now.ticks, 0) == (0 if self.held_until > self.now.ticks else ready)


TestPageMachine = PageMachine.TestCase
TestPageMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
