# SPDX-License-Identifier: MIT
"""What one verified header showed of a chain's lanes, and the one commit that writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from relayer.chains.base import SentMessage
from relayer.consensus.base import VerifiedHeader
from relayer.journal.rows import (
    ChainRow,
    LaneRow,
    Micros,
    StoredMessage,
    StoredPage,
    StoredWait,
    TransactionState,
    Transition,
)
from relayer.journal.writing import Writing
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.page import Confirmed, PageState
from relayer.pipeline.rules.proving import Proven, Verified
from relayer.pipeline.rules.story import altered_waits, confirmed_steps, verified_steps
from relayer.pipeline.wakes import LanePort
from relayer.sending.transaction import Transaction

#: How often a lane's newest head is proven though no log tells of a message: hidden logs are found within
#: this.
_AUDIT_SOURCE_S: Final = 10
#: How often the bitmaps of pages with open messages are proven though no transaction of ours is under way.
_AUDIT_DESTINATION_S: Final = 30


@dataclass(slots=True)
class OutgoingLane:
    """An outgoing lane, as the task of its source sees it.

    Attributes:
        progress: the lane's state in memory.
        task: the lane's task.
        audited_at: when the lane's tail was proven last without a log that told of it, on the loop's clock.
        hearsay: the end of the sequences that the journal has as hearsay: logs tell of them, and they do not
            lead to the proven head.
        unfinalized: the messages that the journal has of blocks that are not final; None: what an earlier
            process left there.
    """

    progress: LaneProgress
    task: LanePort
    audited_at: float = 0.0
    hearsay: int = 0
    unfinalized: tuple[StoredMessage, ...] | None = None

    def is_audit_due(self, now_s: float) -> bool:
        """Return whether to prove the lane's tail though no log tells of a message."""
        return now_s - self.audited_at >= _AUDIT_SOURCE_S


@dataclass(slots=True)
class IncomingLane:
    """An incoming lane, as the task of its destination sees it.

    Attributes:
        progress: the lane's state in memory.
        task: the lane's task.
        audited_at: when the bitmaps of all pages with open messages were proven last, on the loop's clock.
    """

    progress: LaneProgress
    task: LanePort
    audited_at: float = 0.0

    def is_audit_due(self, now_s: float) -> bool:
        """Return whether to prove the bitmaps of all pages with open messages."""
        return now_s - self.audited_at >= _AUDIT_DESTINATION_S


@dataclass(slots=True)
class HeaderResult:
    """What one verified header showed, before it is written.

    Attributes:
        header: the header.
        verified: what page heads showed of outgoing lanes.
        confirmed: what delivered bitmaps showed of pages of incoming lanes.
        settled: the transactions that nothing more is expected of.
        rechecks: the transactions whose receipt promised bits that the proven bitmap does not have.
    """

    header: VerifiedHeader
    verified: list[tuple[OutgoingLane, Verified, Proven]] = field(default_factory=list)
    confirmed: list[tuple[IncomingLane, PageState, Confirmed]] = field(default_factory=list)
    settled: list[Transaction] = field(default_factory=list)
    rechecks: list[Transaction] = field(default_factory=list)


def prepare_commit(
    result: HeaderResult,
    chain: ChainRow,
    out_lanes: list[OutgoingLane],
    scanned: int,
    state: bytes | None,
    now: Micros,
) -> Callable[[Writing], None]:
    """Return the piece of work that writes a result, for `Journal.commit`.

    The rows are gathered before: the writer's thread only writes, and reads nothing that changes meanwhile.

    Args:
        result: what the header showed.
        chain: the chain's row.
        out_lanes: all outgoing lanes of the chain, also those that the result says nothing of.
        scanned: the block up to which logs were read.
        state: what our light client exported; None where it did not change.
        now: the wall clock.
    """
    unproven = [sent.block_number for lane in out_lanes for sent in _left_over(lane, result)]
    # Messages that are not proven are in memory alone, so a restart has to read their blocks again.
    scanned = min([scanned, *(block - 1 for block in unproven)])
    steps: list[Transition] = []
    altered: list[StoredWait] = []
    discarded: list[tuple[LaneRow, int]] = []
    for lane, verified, proven in result.verified:
        end = lane.progress.proven + len(verified.messages)
        # The logs lead to the proven head now, so hearsay beyond it was invented or is read again.
        if not verified.hearsay and lane.hearsay > end:
            discarded.append((lane.progress.row, end))
            # What was shown of unfinalized blocks lay there as well, so it is written anew.
            lane.unfinalized = None
        altered += altered_waits(verified, now)
        steps += verified_steps(verified, proven, lane.progress.proven, lane.hearsay, now)
    pages, over = _final_pages(result)
    for _, _, verdict in result.confirmed:
        steps += confirmed_steps(verdict, now)

    def write(writing: Writing) -> None:
        writing.move_chain(
            chain,
            verified_height=result.header.number,
            verified_timestamp=result.header.timestamp,
            scanned_height=scanned,
            trusted_state=state,
            at=now,
        )
        for _, verified, proven in result.verified:
            _write_verified(writing, verified, now)
            writing.put_proofs(proven.proofs)
        for row, first in discarded:
            writing.discard_messages(row, first)
        writing.put_waits(altered)
        writing.put_pages(pages)
        for row, sequences in over:
            writing.clear_waits(row, sequences)
        for _, _, verdict in result.confirmed:
            writing.put_waits(verdict.failed)
        for transaction in result.settled:
            writing.set_transaction_state(transaction.row, TransactionState.SETTLED)
        writing.add_transitions(steps)

    return write


def _final_pages(result: HeaderResult) -> tuple[list[StoredPage], list[tuple[LaneRow, list[int]]]]:
    """Return the pages with messages that are final now, and by lane the sequences that wait no more."""
    pages: list[StoredPage] = []
    over: list[tuple[LaneRow, list[int]]] = []
    for inbound, page, verdict in result.confirmed:
        final = verdict.delivered | verdict.expired
        if final:
            pages.append(
                StoredPage(
                    lane=inbound.progress.row,
                    page=page.page,
                    delivered=page.delivered | verdict.delivered,
                    expired=page.expired | verdict.expired,
                    height=verdict.height,
                )
            )
            waits = [page.first + index for index in page.waits if final >> index & 1]
            over.append((inbound.progress.row, waits))
    return pages, over


def _left_over(lane: OutgoingLane, result: HeaderResult) -> list[SentMessage]:
    count = next((len(verified.messages) for known, verified, _ in result.verified if known is lane), 0)
    proven = lane.progress.proven + count
    return [sent for sent in lane.progress.candidates if sent.message.sequence >= proven]


def _write_verified(writing: Writing, verified: Verified, now: Micros) -> None:
    if verified.messages:
        newest = verified.messages[-1]
        writing.put_messages(verified.messages, now)
        writing.move_lane(
            verified.lane,
            proven=newest.message.sequence + 1,
            proven_head=newest.head,
            proven_block=newest.block_number,
        )
    writing.put_messages(verified.hearsay, now)
