# SPDX-License-Identifier: MIT
"""A page in memory: its proven messages, what is under way with them, and every change that is legal.

A method refuses a change that can't be true. No other module assigns a field or mutates a collection of a
page (tests/unit/pipeline/rules/test_ownership.py). Sets of messages of a page are ints: bit i stands for
sequence (page << 8) + i.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from relayer.errors import IllegalTransition
from relayer.journal.rows import (
    ALL_BITS,
    MICROS_PER_S,
    LaneRow,
    StoredMessage,
    StoredPage,
    StoredProof,
    StoredWait,
)
from relayer.pipeline.rules.instant import Instant, Ticks
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE, Message, MessageId

#: The pause of a page after a batch of it could not be sent; after every other failure in a row twice as
#: long.
FIRST_PAUSE_US: Final = MICROS_PER_S // 2
_LONGEST_PAUSE_US: Final = 60 * MICROS_PER_S


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
            *((mask & self.in_flight, reason) for mask, reason in carried),
            (self.in_flight, WaitingReason.INCLUSION),
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

    def wait_on(self, ends: Mapping[int, Ticks]) -> None:
        """Let messages that wait do so until these moments, by their place in the page."""
        for index in self.waits.keys() & ends.keys():
            self.waits[index] = replace(self.waits[index], until=ends[index])

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
