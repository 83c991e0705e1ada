# SPDX-License-Identifier: MIT
"""A lane in memory: its cursors, and the pages that the pipeline works on. The journal has the rest.

Everything that changes a lane is a method here, and everything that changes a page one of PageState. No other
module assigns a field or mutates a collection of them (tests/unit/pipeline/rules/test_ownership.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from relayer.chains.base import SentMessage
from relayer.errors import IllegalTransition
from relayer.journal.rows import (
    MICROS_PER_S,
    LaneRow,
    Micros,
    StoredMessage,
    StoredProof,
)
from relayer.pipeline.rules.instant import Instant, Ticks
from relayer.pipeline.rules.page import Confirmed, PageState, indices, trailing_ones
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE

#: A page that would be read again sooner stays in memory.
_SHORTEST_REST_US: Final = 30 * MICROS_PER_S


@dataclass(frozen=True, slots=True)
class Parked:
    """A page that is out of memory.

    Attributes:
        until: until when.
        waiting: how many of its open messages wait for what.
        ends: until when its single messages wait, by place. The journal has it by the wall's clock only.
    """

    until: Ticks
    waiting: Mapping[WaitingReason, int]
    ends: Mapping[int, Ticks] = field(default_factory=dict)

    @property
    def open(self) -> int:
        """How many of its messages are open."""
        return sum(self.waiting.values())


@dataclass(frozen=True, slots=True)
class LaneCounts:
    """A lane in numbers, at one moment.

    Attributes:
        proven: how many of its messages are proven to have been sent.
        settled: below which sequence nothing more happens to any message.
        backlog: how many proven messages are neither confirmed nor expired.
        oldest_at: when the oldest of them in memory was proven; None where none is in memory.
        waiting: the backlog by the reason that its messages wait for, with a number for every reason.
    """

    proven: int
    settled: int
    backlog: int
    oldest_at: Micros | None
    waiting: Mapping[WaitingReason, int]


@dataclass(slots=True)
class LaneProgress:
    """A lane at work: what its tasks share.

    Attributes:
        row: the lane's row in the journal.
        lane: the lane.
        source: the name of the chain that the messages come from.
        destination: the name of the chain that they go to.
        proven: how many messages are proven to have been sent.
        proven_head: the running head after them.
        proven_block: the block in which the last of them was sent.
        settled: below which sequence nothing more happens to any message.
        pages: the pages in memory, by number.
        parked: the pages that are out of memory because all of their open messages wait for a time.
        next_page: the first page that was never loaded.
        candidates: the messages that logs tell of beyond the proven ones.
        audits: the pages whose delivered bitmap is to be proven at the destination's next verified header.
        waiting: why the lane as a whole waits; None when it does not.
    """

    row: LaneRow
    lane: Lane
    source: str
    destination: str
    proven: int
    proven_head: bytes
    proven_block: int
    settled: int
    pages: dict[int, PageState] = field(default_factory=dict)
    parked: dict[int, Parked] = field(default_factory=dict)
    next_page: int = 0
    candidates: list[SentMessage] = field(default_factory=list)
    audits: set[int] = field(default_factory=set)
    waiting: Waiting | None = None

    # --- what is known --------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The lane's name in logs and metrics.

        A lane on a channel of its own shows the start of the channel.
        """
        suffix = "" if self.lane.is_public else f"#{self.lane.channel.hex()[:8]}"
        return f"{self.source}>{self.destination}{suffix}"

    @property
    def tail_page(self) -> int:
        """The page that the lane's next message belongs to."""
        return self.proven >> PAGE_BITS

    def in_order(self) -> list[PageState]:
        """Return the pages in memory, the lowest first."""
        return [self.pages[number] for number in sorted(self.pages)]

    def is_due(self, page: int, height: int) -> bool:
        """Return whether a header is new enough to judge what a provider showed of a page in memory."""
        return page in self.pages and self.pages[page].seen_at <= height

    def held_for(self) -> Waiting | None:
        """Return why pages are held back, the lowest one's reason; None where none is."""
        held = [page for page in self.in_order() if page.held is not None and page.open]
        if not held or held[0].held is None:
            return None
        waiting = held[0].held.waiting
        if len(held) == sum(bool(page.open) for page in self.pages.values()):
            return waiting
        # The others go on.
        return Waiting(waiting.reason, f"page {held[0].page}: {waiting.detail}")

    def backlog(self) -> int:
        """Return how many proven messages are neither confirmed nor expired, in memory or not loaded yet."""
        loaded = sum(page.open.bit_count() for page in self.pages.values())
        loaded += sum(parked.open for parked in self.parked.values())
        # Below `next_page`, every page is in memory, out of it for a time, or settled.
        beyond = max(0, self.proven - max(self.next_page << PAGE_BITS, self.settled))
        return loaded + beyond

    def oldest(self) -> Micros | None:
        """Return when the oldest open message in memory was proven; None where none is."""
        moments = (
            page.proven_at[index]
            for page in self.pages.values()
            # The lowest open message is the oldest, because the messages of a page are proven in order.
            for index in indices(page.open & -page.open)
        )
        oldest = min(moments, key=lambda moment: moment.ticks, default=None)
        return None if oldest is None else oldest.wall

    def count(self, carried: Mapping[int, Iterable[tuple[int, WaitingReason]]] | None = None) -> LaneCounts:
        """Return the lane in numbers.

        The journal has each message's own reason; memory has enough to count them. `carried` tells by page
        what transactions wait for, as PageState.count_waiting takes it.
        """
        # A message without a reason of its own waits for what its lane waits for, else for its turn in a
        # batch.
        otherwise = WaitingReason.BATCH if self.waiting is None else self.waiting.reason
        counts: Counter[WaitingReason] = Counter(dict.fromkeys(WaitingReason, 0))
        for number, page in self.pages.items():
            counts.update(page.count_waiting(otherwise, (carried or {}).get(number, ())))
        for parked in self.parked.values():
            counts.update(parked.waiting)
        backlog = self.backlog()
        # Pages that were never loaded have no reasons in memory.
        counts[otherwise] += backlog - counts.total()
        return LaneCounts(self.proven, self.settled, backlog, self.oldest(), dict(counts))

    # --- what logs and page heads change --------------------------------------------------------------------

    def observe(self, sent: SentMessage) -> None:
        """Keep a message that logs tell of, to be proven."""
        self.candidates.append(sent)

    def replace_candidates(self, sent: Iterable[SentMessage], scanned: int) -> None:
        """Put what logs tell, read again up to a block, in the place of all that they told before."""
        self.candidates = [*sent, *(later for later in self.candidates if later.block_number > scanned)]

    def prove(self, stored: Iterable[StoredMessage], now: Instant, *, window: int) -> None:
        """Go on by messages that follow on from the proven ones and are proven themselves.

        They join their pages in memory, and begin pages while fewer than `window` are there. Others are
        loaded from the journal later.
        """
        for known in stored:
            message = known.message
            if message.sequence != self.proven:
                raise IllegalTransition(f"message {message.sequence} as proven", f"{self.proven}")
            number = message.page
            if (
                message.sequence % PAGE_SIZE == 0
                and number == self.next_page
                and len(self.pages) < window
                and number not in self.pages
            ):
                self.pages[number] = PageState(number, self.proven_head)
                self.next_page = number + 1
            page = self.pages.get(number)
            if page is not None:
                page.add(message, known.leaf, known.head, now)
            self.proven, self.proven_head = self.proven + 1, known.head
            self.proven_block = known.block_number
        self.candidates = [sent for sent in self.candidates if sent.message.sequence >= self.proven]

    def take_proofs(self, proofs: Iterable[StoredProof]) -> None:
        """Give the pages in memory newer proofs of their heads."""
        for proof in proofs:
            page = self.pages.get(proof.page)
            if page is not None:
                page.take_proof(proof)

    # --- what the destination changes -----------------------------------------------------------------------

    def audit(self, page: int) -> None:
        """Have a page's delivered bitmap proven at the destination's next header that can judge it."""
        self.audits.add(page)

    def apply(self, verdict: Confirmed, now: Instant) -> None:
        """Take over what a proven bitmap says of a page."""
        page = self.pages.get(verdict.page)
        if page is not None:
            page.apply(verdict, now)
        # An older header says nothing of what a provider has shown since, so the page stays to be looked at.
        if self.is_due(verdict.page, verdict.height):
            self.audits.discard(verdict.page)

    def give_back(self, page: int, mask: int) -> None:
        """Take note that a transaction with messages of a page is settled or can never land."""
        if page in self.pages:
            self.pages[page].give_back(mask)

    def give_up(self, page: int, waiting: Waiting, now: Ticks) -> None:
        """Take note that a transaction with messages of a page was given up, and why."""
        if page in self.pages:
            self.pages[page].give_up(waiting, now)

    def land(self, page: int) -> None:
        """Take note that a transaction with messages of a page is in a block."""
        if page in self.pages:
            self.pages[page].land()

    def recover(self) -> None:
        """Take note that the destination can be asked again.

        What waits only because it could not, waits no more. What was refused waits on.
        """
        for page in self.pages.values():
            if page.held is not None and not page.held.is_refusal:
                page.let_go()

    def settle(self) -> int:
        """Drop the pages that are settled from memory, move `settled` on, and return it."""
        for number in [number for number, page in self.pages.items() if page.is_settled]:
            del self.pages[number]
        lowest = min((*self.pages, *self.parked), default=None)
        if lowest is None:
            settled = min(self.proven, self.next_page << PAGE_BITS)
        elif lowest in self.pages:
            settled = (lowest << PAGE_BITS) + trailing_ones(self.pages[lowest].final)
        else:
            # The bits of a parked page are not in memory, so the cursor stays at its start.
            settled = lowest << PAGE_BITS
        # It never goes back: a page that is loaded again has lost nothing that was final.
        self.settled = max(self.settled, settled)
        return self.settled

    def wait_for(self, waiting: Waiting | None) -> None:
        """Keep why the lane as a whole waits; None when it does not."""
        self.waiting = waiting

    # --- which pages are in memory --------------------------------------------------------------------------

    def begin_at(self, page: int) -> None:
        """Have the window begin at a page; all before it are settled or loaded by name."""
        self.next_page = page

    def pass_page(self, page: int) -> None:
        """Move the window over a page that was loaded or is settled."""
        # The chain's task may have moved it on meanwhile.
        if self.next_page == page:
            self.next_page = page + 1

    def load(self, page: PageState) -> None:
        """Take a page from the journal into memory, unless nothing of it is open any more."""
        parked = self.parked.pop(page.page, None)
        if page.is_settled:
            return
        if parked is not None:
            # The wall's clock may have been set while it was out of memory.
            page.wait_on(parked.ends)
        self.pages[page.page] = page
        # Somebody else may have delivered messages of it while it was out of memory.
        self.audit(page.page)

    def rest(self, now: Ticks) -> None:
        """Take full pages out of memory in which nothing can be done for a while."""
        for page in list(self.pages.values()):
            waiting = [page.waits[index].until for index in indices(page.open) if index in page.waits]
            # A page that is not full stays, because messages are added to it. What is carried or seen is
            # judged in memory.
            rests = (
                len(page.messages) == PAGE_SIZE
                and not page.carried
                and not page.seen
                and page.page not in self.audits
                and len(waiting) == page.open.bit_count()
            )
            if rests and waiting and min(waiting) > now + _SHORTEST_REST_US:
                counts = page.count_waiting(WaitingReason.RECIPIENT_REVERTS)
                ends = {index: wait.until for index, wait in page.waits.items()}
                self.parked[page.page] = Parked(min(waiting), counts, ends)
                del self.pages[page.page]

    def due_pages(self, now: Ticks) -> list[int]:
        """Return the numbers of the pages that are out of memory and whose time has come."""
        return [page for page, parked in self.parked.items() if parked.until <= now]
