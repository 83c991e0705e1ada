# SPDX-License-Identifier: MIT
"""Ahead of finality: what logs tell of blocks that are not final yet, on chains whose verified headers trail.

It is hearsay twice over (a provider's word, of a block that may be reorganised away), so it is shown and never acted on:
an operator sees what waits for finality, and the prover hears that a newer header is wanted. What disappears again
leaves no trace but in the story of the lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from light_clients.client import Height
from relayer.chains.base import Chain, Head, SentMessage
from relayer.consensus.base import Prover, VerifiedHeader
from relayer.journal.rows import Micros, StoredMessage
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.pipeline.chain_commit import InLane, OutLane
from relayer.pipeline.lane_state import LaneProgress
from relayer.pipeline.lane_waiting import Reasons
from relayer.pipeline.linking import link
from relayer.pipeline.prove import to_stored
from relayer.pipeline.transactions import TransactionTracker
from relayer.pipeline.transitions import ahead_steps
from relayer.protocol.delivery import Waiting, WaitingReason

#: Blocks that are read again at each head, since any of them may be another one meanwhile. Older ones hardly are.
_LOOK_BACK = 160
#: Messages of one lane that the journal shows ahead of finality; more wait without being shown.
_MOST_SHOWN = 1_024
#: A newer header is looked for this often though nothing is known to wait: logs may hide what does.
_AUDIT_S = 3_600


class UnfinalizedWatcher:
    """Keeps what one trailing chain's newest blocks tell of its lanes, and says whether a newer header is of use."""

    def __init__(
        self,
        chain: Chain,
        prover: Prover,
        tracker: TransactionTracker,
        journal: Journal,
        reasons: Reasons,
        clock: Callable[[], Micros],
    ) -> None:
        self._chain = chain
        self._prover = prover
        self._tracker = tracker
        self._journal = journal
        self._reasons = reasons
        self._clock = clock
        self._sent: list[SentMessage] = []
        self._audited_at = 0.0

    def is_newer_wanted(
        self, header: VerifiedHeader, head: Head, outbound: list[OutLane], inbound: list[InLane], now_s: float
    ) -> bool:
        """Whether anything waits for a header above the one that is verified: a message sent, one delivered, one that is
        past its deadline, or proofs by newer signers, or other than those that a destination refuses.
        """
        if now_s - self._audited_at >= _AUDIT_S:
            self._audited_at = now_s
            return True
        if any(each.block_number > header.number for each in self._sent):
            return True
        if any(self._awaited(lane.book, header) for lane in inbound):
            return True
        if any(
            page.past_deadline(page.open, head.timestamp)
            for lane in inbound
            for page in lane.book.pages.values()
        ):
            return True
        return any(
            page.open and (page.proof_is_stale or lane.oldest_height() > header.number)
            for lane in outbound
            for page in lane.book.pages.values()
        )

    async def look(
        self, header: VerifiedHeader, head: Head, outbound: list[OutLane], inbound: list[InLane]
    ) -> None:
        """Read the logs above the verified header, and say what waits for one that covers it.

        Raises:
            Retryable: they can't be read.
        """
        first = max(header.number + 1, head.number - _LOOK_BACK + 1)
        told: list[SentMessage] = []
        if first <= head.number:
            told = await self._chain.sent_messages(Height(first), head.number)
        kept = [each for each in self._sent if header.number < each.block_number < first]
        self._sent = kept + [each for each in told if first <= each.block_number <= head.number]
        for lane in outbound:
            await self._show(lane, header)
            self._reasons.set(lane.book, "sent", self._explain_sent(lane, head))
        for inward in inbound:
            self._reasons.set(inward.book, "delivered", self._explain_delivered(inward.book, header, head))

    async def _show(self, lane: OutLane, header: VerifiedHeader) -> None:
        """Bring the journal to what is told of a lane now."""
        book = lane.book
        mine = [each for each in self._sent if each.message.lane_id == book.lane.id]
        links = link(book.proven_head, book.proven, [*book.candidates, *mine])
        now_told = tuple(to_stored(book, each) for each in links if each.sent.block_number > header.number)[
            :_MOST_SHOWN
        ]
        start = book.proven + sum(each.sent.block_number <= header.number for each in links)
        before = lane.ahead
        shown = tuple(each for each in before or () if each.message.sequence >= start)
        same = _count_same(shown, now_told)
        fresh, gone = now_told[same:], range(0)
        if len(shown) > same:
            gone = range(shown[same].message.sequence, shown[-1].message.sequence + 1)
        if before is None:
            # An earlier process may have left what is gone since.
            cut: int | None = start
            fresh = now_told
        else:
            cut = gone.start if gone else None
        moved = [each for each, old in zip(now_told[:same], shown, strict=False) if each != old]
        if fresh or moved or cut is not None:
            steps = list(ahead_steps(book.row, fresh, gone, self._clock()))

            def write(writing: Writing) -> None:
                if cut is not None:
                    writing.discard_messages(book.row, cut)
                writing.put_messages([*moved, *fresh])
                writing.add_transitions(steps)

            await self._journal.commit(write)
        lane.ahead = now_told

    def _explain_sent(self, lane: OutLane, head: Head) -> Waiting | None:
        if not lane.ahead:
            return None
        first = Height(lane.ahead[0].block_number)
        return Waiting(
            WaitingReason.FINALITY,
            f"{_count(len(lane.ahead))} sent on {self._chain.name} from block {first} on, waiting for finality "
            f"({self._prover.describe_finality_wait(head, first)})",
        )

    def _explain_delivered(self, book: LaneProgress, header: VerifiedHeader, head: Head) -> Waiting | None:
        awaited = self._awaited(book, header)
        if not awaited:
            return None
        first, count = awaited
        return Waiting(
            WaitingReason.FINALITY,
            f"{_count(count)} delivered on {self._chain.name} from block {first} on, waiting for finality "
            f"({self._prover.describe_finality_wait(head, first)})",
        )

    def _awaited(self, book: LaneProgress, header: VerifiedHeader) -> tuple[Height, int] | None:
        """The first block above the header in which messages of a lane were delivered, and how many; None for none."""
        blocks = {
            each.receipt.block_number: each.batch.mask.bit_count()
            for each in self._tracker.live.values()
            if each.batch is not None
            and each.batch.lane == book.row
            and each.receipt is not None
            and each.receipt.block_number > header.number
        }
        seen = [page for page in book.pages.values() if page.seen and page.seen_at > header.number]
        if not blocks and not seen:
            return None
        first = min([*blocks, *(page.seen_at for page in seen)])
        return Height(first), sum(blocks.values()) + sum(page.seen.bit_count() for page in seen)


def _count_same(before: tuple[StoredMessage, ...], now: Iterable[StoredMessage]) -> int:
    """How many messages from the first on are the same ones, whatever their block."""
    count = 0
    for old, new in zip(before, now, strict=False):
        if old.leaf != new.leaf:
            break
        count += 1
    return count


def _count(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"
