# SPDX-License-Identifier: MIT
"""What one look at a chain showed of its lanes, and how it is written down: all of it in one commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from relayer.chains.base import SentMessage
from relayer.consensus.base import VerifiedHeader
from relayer.journal.rows import ChainRow, LaneRow, Micros, StoredMessage, StoredPage, StoredWait, Transition
from relayer.journal.writing import Writing
from relayer.pipeline.lane_state import LaneProgress, PageState
from relayer.pipeline.steps import Confirmed, Proven, Verified
from relayer.pipeline.tracked_transaction import TrackedTransaction
from relayer.pipeline.transactions import TransactionTracker
from relayer.pipeline.transitions import altered_waits, confirmed_steps, verified_steps


@dataclass(slots=True)
class OutLane:
    """An outgoing lane: its book, who to wake, and the state of its logs.

    `hearsay` is the end of what logs told beyond the proven messages and what is in the journal as such.
    """

    book: LaneProgress
    wake: Callable[[], None]
    oldest_height: Callable[[], int]
    audited_at: float = 0.0
    hearsay: int = 0
    ahead: tuple[StoredMessage, ...] | None = None
    """What the journal has of messages in blocks that are not final yet; None: what an earlier process left there."""

    @property
    def observed(self) -> int:
        """The end of the messages whose story begins already."""
        return max(self.hearsay, self.ahead[-1].message.sequence + 1 if self.ahead else 0)


@dataclass(slots=True)
class InLane:
    """An incoming lane: its book, who to wake, and who learns what deliveries cost (calldata, messages, gas)."""

    book: LaneProgress
    wake: Callable[[], None]
    learn: Callable[[bytes, int, int], None]
    audited_at: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What one look at the chain showed, before it is written."""

    header: VerifiedHeader
    verified: list[tuple[OutLane, Verified, Proven]] = field(default_factory=list)
    confirmed: list[tuple[InLane, PageState, Confirmed]] = field(default_factory=list)
    settled: list[TrackedTransaction] = field(default_factory=list)
    suspects: list[TrackedTransaction] = field(default_factory=list)


def write_down(
    outcome: Outcome,
    chain: ChainRow,
    out_lanes: list[OutLane],
    tracker: TransactionTracker,
    scanned: int,
    state: bytes | None,
    now: Micros,
) -> Callable[[Writing], None]:
    """Gather the rows here, so that the writer's thread only writes, and reads nothing that moves on meanwhile."""
    unproven = [sent.block_number for lane in out_lanes for sent in _left_over(lane, outcome)]
    # What is not proven yet is read again after a restart.
    scanned = min([scanned, *(block - 1 for block in unproven)])
    steps: list[Transition] = []
    altered: list[StoredWait] = []
    discarded: list[tuple[LaneRow, int]] = []
    for lane, verified, proven in outcome.verified:
        end = lane.book.proven + len(verified.messages)
        if not verified.hearsay and lane.hearsay > end:
            discarded.append((lane.book.row, end))
            lane.ahead = None
        altered += altered_waits(verified, now)
        steps += verified_steps(verified, proven, lane.book.proven, lane.hearsay, now, observed=lane.observed)
    pages: list[StoredPage] = []
    over: list[tuple[LaneRow, list[int]]] = []
    for inbound, page, verdict in outcome.confirmed:
        final = verdict.delivered | verdict.expired
        if final:
            pages.append(
                StoredPage(
                    lane=inbound.book.row,
                    page=page.page,
                    delivered=page.delivered | verdict.delivered,
                    expired=page.expired | verdict.expired,
                    height=verdict.height,
                )
            )
            waits = [page.first + index for index in page.waits if final >> index & 1]
            over.append((inbound.book.row, waits))
        steps += confirmed_steps(verdict, now)

    def write(writing: Writing) -> None:
        writing.move_chain(
            chain,
            verified_height=outcome.header.number,
            verified_timestamp=outcome.header.timestamp,
            scanned_height=scanned,
            trusted_state=state,
            at=now,
        )
        for _, verified, proven in outcome.verified:
            _write_verified(writing, verified)
            writing.put_proofs(proven.proofs)
        for row, first in discarded:
            writing.discard_messages(row, first)
        writing.put_waits(altered)
        writing.put_pages(pages)
        for row, sequences in over:
            writing.clear_waits(row, sequences)
        for _, _, verdict in outcome.confirmed:
            writing.put_waits(verdict.failed)
        for each in outcome.settled:
            tracker.settle(writing, each)
        writing.add_transitions(steps)

    return write


def _left_over(lane: OutLane, outcome: Outcome) -> list[SentMessage]:
    count = next((len(v.messages) for each, v, _ in outcome.verified if each is lane), 0)
    proven = lane.book.proven + count
    return [sent for sent in lane.book.candidates if sent.message.sequence >= proven]


def _write_verified(writing: Writing, verified: Verified) -> None:
    if verified.messages:
        newest = verified.messages[-1]
        writing.put_messages(verified.messages)
        writing.move_lane(
            verified.lane,
            proven=newest.message.sequence + 1,
            proven_head=newest.head,
            proven_block=newest.block_number,
        )
    writing.put_messages(verified.hearsay)
