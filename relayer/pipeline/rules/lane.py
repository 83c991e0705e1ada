# SPDX-License-Identifier: MIT
"""A lane in memory: its cursors, and the pages that the pipeline works on. The journal has the rest.

Sets of messages of a page are ints: bit i stands for sequence (page << 8) + i.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from relayer.chains.base import SentMessage
from relayer.journal.rows import ALL_BITS, LaneRow, Micros, StoredMessage, StoredProof, StoredWait
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import PAGE_BITS, Message, MessageId


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
        in_flight: the messages that a planned batch or a live transaction carries.
        seen: the messages that a provider of the destination shows as delivered, which is not proven.
        seen_at: the destination's newest block when it showed them; an older header says nothing of them.
        height: the newest block of the destination whose header proved anything of the page.
        waits: why single messages wait, by place in the page.
    """

    page: int
    start_head: bytes
    messages: list[Message] = field(default_factory=list)
    leaves: list[MessageId] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    proven_at: list[Micros] = field(default_factory=list)
    proof: StoredProof | None = None
    proof_is_stale: bool = False
    delivered: int = 0
    expired: int = 0
    altered: int = 0
    in_flight: int = 0
    seen: int = 0
    seen_at: int = 0
    height: int = 0
    waits: dict[int, StoredWait] = field(default_factory=dict)

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
    def is_settled(self) -> bool:
        """Whether the page is full, and nothing more happens to its messages and their transactions."""
        return self.final == ALL_BITS and not self.in_flight

    def add(self, message: Message, leaf: MessageId, head: bytes, proven_at: Micros) -> None:
        """Append the next message of the page with its proven leaf and the running head after it."""
        if message.id != leaf:
            self.altered |= 1 << len(self.messages)
        self.messages.append(message)
        self.leaves.append(leaf)
        self.heads.append(head)
        self.proven_at.append(proven_at)

    def ready(self, now: Micros, destination_time: int) -> int:
        """Return the messages that a batch could carry now.

        `destination_time` is in seconds, for deadlines.
        """
        bits = self.open & ~self.altered & ~self.in_flight & ~self.seen
        for index, wait in self.waits.items():
            if wait.not_before > now:
                bits &= ~(1 << index)
        return bits & ~self.past_deadline(bits, destination_time)

    def past_deadline(self, bits: int, destination_time: int) -> int:
        """Return those of `bits` whose deadline is before the destination's time, in seconds."""
        past = 0
        for index in indices(bits):
            deadline = self.messages[index].deadline
            # Strictly, as the inbox does it (INV-3): in the second of its deadline a message is executed.
            if deadline and deadline < destination_time:
                past |= 1 << index
        return past

    def count_waiting(self, otherwise: WaitingReason) -> Counter[WaitingReason]:
        """Return how many of the page's open messages wait for what; together they are all of them.

        `otherwise` is the reason of those that have none of their own.
        """
        counts: Counter[WaitingReason] = Counter()
        rest = self.open
        for bits, reason in (
            (self.in_flight, WaitingReason.INCLUSION),
            (self.seen, WaitingReason.FINALITY),
            (self.altered, WaitingReason.RPC_TROUBLE),
        ):
            counts[reason] += (rest & bits).bit_count()
            rest &= ~bits
        for index in indices(rest & mask_of(self.waits)):
            counts[self.waits[index].waiting.reason] += 1
        counts[otherwise] += (rest & ~mask_of(self.waits)).bit_count()
        return counts

    def restore(self, index: int, message: Message) -> None:
        """Replace an altered message by one whose fields hash to the leaf."""
        self.messages[index] = message
        self.altered &= ~(1 << index)

    def head_before(self, index: int) -> bytes:
        """Return the running head before the message at a place of the page."""
        return self.heads[index - 1] if index else self.start_head


@dataclass(frozen=True, slots=True)
class Parked:
    """A page that is out of memory: until when, and how many of its open messages wait for what."""

    until: Micros
    waiting: Mapping[WaitingReason, int]

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

    def backlog(self) -> int:
        """Return how many proven messages are neither confirmed nor expired, in memory or not loaded yet."""
        loaded = sum(page.open.bit_count() for page in self.pages.values())
        loaded += sum(parked.open for parked in self.parked.values())
        # Below `next_page`, every page is in memory, out of it for a time, or settled.
        beyond = max(0, self.proven - max(self.next_page << PAGE_BITS, self.settled))
        return loaded + beyond

    def oldest(self) -> Micros | None:
        """Return when the oldest open message in memory was proven; None where none is."""
        return min(
            (
                page.proven_at[index]
                for page in self.pages.values()
                # The lowest open message is the oldest, because the messages of a page are proven in order.
                for index in indices(page.open & -page.open)
            ),
            default=None,
        )

    def count(self) -> LaneCounts:
        """Return the lane in numbers.

        The journal has each message's own reason; memory has enough to count them.
        """
        # A message without a reason of its own waits for what its lane waits for, else for its turn in a
        # batch.
        otherwise = WaitingReason.BATCH if self.waiting is None else self.waiting.reason
        counts: Counter[WaitingReason] = Counter(dict.fromkeys(WaitingReason, 0))
        for page in self.pages.values():
            counts.update(page.count_waiting(otherwise))
        for parked in self.parked.values():
            counts.update(parked.waiting)
        backlog = self.backlog()
        # Pages that were never loaded have no reasons in memory.
        counts[otherwise] += backlog - counts.total()
        return LaneCounts(self.proven, self.settled, backlog, self.oldest(), dict(counts))

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


def fill_page(
    page: PageState,
    stored: Iterable[StoredMessage],
    proof: StoredProof | None,
    waits: Iterable[StoredWait],
    at: Micros,
) -> None:
    """Fill an empty page with proven messages, their newest proof and the reasons why some of them wait."""
    for known in stored:
        page.add(known.message, known.leaf, known.head, at)
    page.proof = proof
    page.waits = {wait.sequence & 0xFF: wait for wait in waits}
