# SPDX-License-Identifier: MIT
"""A lane in memory: its cursors, and the pages that the pipeline works on. The journal has the rest.

Everything that changes a lane or a page is a method here, and refuses a change that can't be true. No other
module assigns a field or mutates a collection of them (tests/unit/pipeline/rules/test_ownership.py). Sets of
messages of a page are ints: bit i stands for sequence (page << 8) + i.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from relayer.chains.base import SentMessage
from relayer.errors import IllegalTransition
from relayer.journal.rows import (
    ALL_BITS,
    MICROS_PER_S,
    LaneRow,
    Micros,
    StoredMessage,
    StoredPage,
    StoredProof,
    StoredWait,
)
from relayer.pipeline.rules.instant import Instant, Ticks
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE, Message, MessageId

#: The pause of a page after a batch of it could not be sent; after every other failure in a row twice as
#: long.
FIRST_PAUSE_US: Final = MICROS_PER_S // 2
_LONGEST_PAUSE_US: Final = 60 * MICROS_PER_S
#: A page that would be read again sooner stays in memory.
_SHORTEST_REST_US: Final = 30 * MICROS_PER_S


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a proven delivered bitmap says of a page, as bits of the page.

    Attributes:
        lane: the lane's row.
        page: the number of the page.
        height: the block of the destination whose header proves the bitmap.
        delivered: the messages that are executed. Final.
        expired: the messages whose deadline has passed with their bits clear. Final.
        failed: why the messages wait that their recipient refused.
        returned: the messages that a transaction carried without effect; they are to be delivered again.
        unseen: the messages that a provider showed as delivered and that are not.
    """

    lane: LaneRow
    page: int
    height: int
    delivered: int
    expired: int
    failed: tuple[StoredWait, ...]
    returned: int
    unseen: int


@dataclass(frozen=True, slots=True)
class PageWait:
    """Why one message of a page waits, and until when by the clock that nobody sets."""

    stored: StoredWait
    until: Ticks


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Why nothing of a page is sent for a while: a batch of it could not be sent.

    Attributes:
        waiting: what it was.
        is_refusal: whether these very messages or their proof were refused. Otherwise the destination could
            not be asked or paid, which ends for all pages at once.
        failures: how many batches of the page in a row could not be sent.
        until: nothing of the page is sent before.
    """

    waiting: Waiting
    is_refusal: bool
    failures: int
    until: Ticks


@dataclass(slots=True)
class PageState:
    """The proven messages of one page, and what is under way with them.

    Attributes:
        page: the page's number.
        start_head: the lane's running head before the page's first message.
        messages: the proven messages, in order, with the fields that logs tell.
        leaves: their proven leaves.
        heads: the running heads after them.
        proven_at: when they were proven.
        proof: the newest proof of the page's head; None before the first.
        proof_is_stale: whether the destination refuses that proof, so that a newer one is needed.
        delivered: the messages whose bits are proven to be set.
        expired: the messages that are proven to be past their deadline with their bits clear.
        altered: the messages whose fields do not hash to their proven leaf. They are only hashed past, until
            logs read again have the right fields.
        carried: the messages that a planned batch or a live transaction carries, final ones too.
        seen: the open messages that a provider of the destination shows as delivered, which is not proven.
        seen_at: the destination's newest block when it showed them; an older header says nothing of them.
        height: the newest block of the destination whose header proved anything of the page.
        waits: why single open messages wait, by place in the page.
        held: why nothing of the page is sent for a while; None after a batch of it was sent.
        given_up: how many of its transactions in a row were given up, because no node took them.
    """

    page: int
    start_head: bytes
    messages: list[Message] = field(default_factory=list)
    leaves: list[MessageId] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    proven_at: list[Instant] = field(default_factory=list)
    proof: StoredProof | None = None
    proof_is_stale: bool = False
    delivered: int = 0
    expired: int = 0
    altered: int = 0
    carried: int = 0
    seen: int = 0
    seen_at: int = 0
    height: int = 0
    waits: dict[int, PageWait] = field(default_factory=dict)
    held: HeldBack | None = None
    given_up: int = 0

    @classmethod
    def load(
        cls,
        page: int,
        start_head: bytes,
        stored: Iterable[StoredMessage],
        proof: StoredProof | None,
        settled: StoredPage | None,
        waits: Iterable[StoredWait],
        carried: int,
        now: Instant,
    ) -> Self:
        """Return a page as the journal has it; `carried` are the messages that live transactions carry."""
        loaded = cls(page, start_head)
        for known in stored:
            loaded.add(known.message, known.leaf, known.head, now)
        # A proof that covers more is of a commit that memory takes over in a moment, with the proof.
        if proof is not None and proof.last < loaded.first + len(loaded.messages):
            loaded.take_proof(proof)
        if settled is not None:
            loaded._finish(settled.delivered, settled.expired, settled.height)
        loaded._require(carried, loaded.known, "carried", "proven messages")
        loaded.carried = carried
        for wait in waits:
            if loaded.open >> (wait.sequence & 0xFF) & 1:
                loaded.wait(wait, now)
        return loaded

    # --- what is known --------------------------------------------------------------------------------------

    @property
    def first(self) -> int:
        """The sequence of the page's first message."""
        return self.page << PAGE_BITS

    @property
    def known(self) -> int:
        """The messages that are proven to have been sent."""
        return (1 << len(self.messages)) - 1

    @property
    def final(self) -> int:
        """The messages that nothing more happens to."""
        return self.delivered | self.expired

    @property
    def open(self) -> int:
        """The messages that something has yet to happen to."""
        return self.known & ~self.final

    @property
    def in_flight(self) -> int:
        """The open messages that a planned batch or a live transaction carries."""
        return self.carried & ~self.final

    @property
    def free(self) -> int:
        """The open messages that a batch may carry, whenever their time comes."""
        return self.open & ~(self.altered | self.carried | self.seen)

    @property
    def is_settled(self) -> bool:
        """Whether the page is full, and nothing more happens to its messages and their transactions."""
        return self.final == ALL_BITS and not self.carried

    def ready(self, now: Ticks, destination_time: int) -> int:
        """Return the messages that a batch could carry now.

        `destination_time` is in seconds, for deadlines.
        """
        if self.held is not None and self.held.until > now:
            return 0
        bits = self.free
        for index, wait in self.waits.items():
            if wait.until > now:
                bits &= ~(1 << index)
        return bits & ~self.past_deadline(bits, destination_time)

    def waits_until(self, now: Ticks) -> Ticks | None:
        """Return when the next of the page's pauses that last now is over; None where none lasts."""
        times = [
            wait.until for index, wait in self.waits.items() if wait.until > now and self.open >> index & 1
        ]
        if self.held is not None and self.held.until > now and self.free:
            times.append(self.held.until)
        return min(times, default=None)

    def past_deadline(self, bits: int, destination_time: int) -> int:
        """Return those of `bits` whose deadline is before the destination's time, in seconds."""
        past = 0
        for index in indices(bits):
            deadline = self.messages[index].deadline
            # Strictly, as the inbox does it (INV-3): in the second of its deadline a message is executed.
            if deadline and deadline < destination_time:
                past |= 1 << index
        return past

    def count_waiting(
        self, otherwise: WaitingReason, carried: Iterable[tuple[int, WaitingReason]] = ()
    ) -> Counter[WaitingReason]:
        """Return how many of the page's open messages wait for what; together they are all of them.

        `otherwise` is the reason of those that have none of their own. `carried` tells, by masks of the page,
        what transactions wait for; what is in flight and not told of waits for its inclusion.
        """
        counts: Counter[WaitingReason] = Counter()
        rest = self.open
        for bits, reason in (
            *((mask & self.carried, reason) for mask, reason in carried),
            (self.carried, WaitingReason.INCLUSION),
            (self.seen, WaitingReason.FINALITY),
            (self.altered, WaitingReason.RPC_TROUBLE),
        ):
            counts[reason] += (rest & bits).bit_count()
            rest &= ~bits
        for index in indices(rest & mask_of(self.waits)):
            counts[self.waits[index].stored.waiting.reason] += 1
        counts[otherwise if self.held is None else self.held.waiting.reason] += (
            rest & ~mask_of(self.waits)
        ).bit_count()
        return counts

    def head_before(self, index: int) -> bytes:
        """Return the running head before the message at a place of the page."""
        return self.heads[index - 1] if index else self.start_head

    # --- what changes it ------------------------------------------------------------------------------------
    # Every method raises IllegalTransition where the change can't be true: a defect of ours.

    def add(self, message: Message, leaf: MessageId, head: bytes, proven_at: Instant) -> None:
        """Append the next message of the page with its proven leaf and the running head after it."""
        place = len(self.messages)
        if place == PAGE_SIZE or message.sequence != self.first + place:
            raise IllegalTransition(
                f"message {message.sequence} as number {place} of page {self.page}", f"{self.first + place}"
            )
        if message.id != leaf:
            self.altered |= 1 << place
        self.messages.append(message)
        self.leaves.append(leaf)
        self.heads.append(head)
        self.proven_at.append(proven_at)

    def carry(self, mask: int) -> None:
        """Take note that a batch carries these messages, all of which must be free."""
        self._require(mask, self.free, "planned", "free")
        self.carried |= mask

    def give_back(self, mask: int) -> None:
        """Take note that nothing under way carries these messages any more."""
        self.carried &= ~mask

    def see(self, mask: int, at: int) -> int:
        """Take note that a provider shows messages as delivered, at the destination's block `at`.

        Returns those that are news: open ones that were not seen before.
        """
        fresh = mask & self.open & ~self.seen
        self.seen |= fresh
        self.seen_at = max(self.seen_at, at)
        return fresh

    def wait(self, wait: StoredWait, now: Instant) -> None:
        """Let an open message wait, for at most as long as any refused message waits."""
        index = wait.sequence - self.first
        self._require(1 << index if 0 <= index < PAGE_SIZE else 1 << PAGE_SIZE, self.open, "waiting", "open")
        self.waits[index] = PageWait(wait, now.until(wait.not_before))

    def apply(self, verdict: Confirmed, now: Instant) -> None:
        """Take over what a proven bitmap says of the page."""
        self._finish(verdict.delivered, verdict.expired, verdict.height)
        self.seen &= ~verdict.unseen
        for wait in verdict.failed:
            if self.open >> (wait.sequence & 0xFF) & 1:
                self.wait(wait, now)

    def _finish(self, delivered: int, expired: int, height: int) -> None:
        # INV-3: a message ends in one way.
        self._require(delivered, self.known & ~(self.expired | expired), "delivered", "sent and not expired")
        self._require(expired, self.known & ~self.delivered, "expired", "sent and not delivered")
        self.delivered |= delivered
        self.expired |= expired
        self.height = max(self.height, height)
        self.seen &= ~self.final
        self.waits = {index: wait for index, wait in self.waits.items() if not self.final >> index & 1}

    def take_proof(self, proof: StoredProof) -> None:
        """Keep a newer proof of the page's head, which ends with a message of the page."""
        if proof.page != self.page or not self.first <= proof.last < self.first + len(self.messages):
            raise IllegalTransition(
                f"a proof up to message {proof.last} for page {self.page} with {len(self.messages)} messages",
                "one that ends with a message of the page",
            )
        self.proof, self.proof_is_stale = proof, False

    def doubt_proof(self) -> None:
        """Take note that the destination refuses the proof, so that a newer one is made."""
        self.proof_is_stale = True

    def restore(self, index: int, message: Message) -> None:
        """Replace an altered message by one whose fields hash to the leaf, and which waits no more."""
        if message.id != self.leaves[index]:
            raise IllegalTransition(
                f"fields that hash to 0x{message.id.hex()[:16]}…", f"0x{self.leaves[index].hex()[:16]}…"
            )
        self.messages[index] = message
        self.altered &= ~(1 << index)
        self.waits.pop(index, None)

    def hold_back(self, waiting: Waiting, now: Ticks, *, is_refusal: bool) -> float:
        """Send nothing of the page for a while, because a batch of it could not be sent.

        Returns for how many seconds.
        """
        failures = 0 if self.held is None else self.held.failures
        return self._hold(waiting, now, failures, is_refusal=is_refusal)

    def give_up(self, waiting: Waiting, now: Ticks) -> None:
        """Send nothing of the page for a while, because one of its transactions was given up.

        The pauses grow until one lands: signing is no progress, and costs a row of the journal.
        """
        self._hold(waiting, now, self.given_up, is_refusal=True)
        self.given_up += 1

    def land(self) -> None:
        """Take note that a transaction of the page is in a block."""
        self.given_up = 0

    def _hold(self, waiting: Waiting, now: Ticks, failures: int, *, is_refusal: bool) -> float:
        pause_us = min(_LONGEST_PAUSE_US, FIRST_PAUSE_US << min(failures, 10))
        self.held = HeldBack(waiting, is_refusal, failures + 1, Ticks(now + pause_us))
        return pause_us / MICROS_PER_S

    def let_go(self) -> None:
        """Take note that a batch of the page was sent."""
        self.held = None

    def _require(self, mask: int, allowed: int, what: str, expected: str) -> None:
        if mask & ~allowed:
            raise IllegalTransition(
                f"messages {list(indices(mask & ~allowed))} of page {self.page} as {what}", f"{expected} ones"
            )


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
            page.waits |= {
                index: PageWait(wait.stored, parked.ends[index])
                for index, wait in page.waits.items()
                if index in parked.ends
            }
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


def indices(bits: int) -> Iterator[int]:
    """Yield the places of the bits that are set, the lowest first."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def mask_of(places: Iterable[int]) -> int:
    """Return the mask with the bits at these places."""
    mask = 0
    for place in places:
        mask |= 1 << place
    return mask


def trailing_ones(bits: int) -> int:
    """Return how many bits are set from the lowest on without a gap."""
    return (~bits & (bits + 1)).bit_length() - 1
