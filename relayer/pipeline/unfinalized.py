# SPDX-License-Identifier: MIT
"""Unfinalized: what logs tell of blocks that are not final yet, on chains with delayed finality.

It is a provider's word, of a block that a reorganisation may take away. So it is shown and never acted on: an
operator sees what waits for finality, and the prover is asked for a newer header. When a block is gone, its
messages are deleted, and only their steps in the journal stay.
"""

from __future__ import annotations

from typing import Final

from light_clients.client import Height
from relayer.chains.base import Chain, Head, SentMessage
from relayer.consensus.base import Prover, VerifiedHeader
from relayer.journal.writing import Writing
from relayer.pipeline.chain_commit import IncomingLane, OutgoingLane
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.showing import compare_unfinalized
from relayer.pipeline.rules.story import unfinalized_steps
from relayer.pipeline.services import Services
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.sending.sender import Sender

#: The newest blocks that are read again at every head, because a reorganisation may have replaced them.
_LOOK_BACK: Final = 160
#: A newer header is looked for this often though nothing is known to wait for it: logs may hide what does.
_AUDIT_S: Final = 3_600


class UnfinalizedWatcher:
    """Keeps what the newest blocks of a chain with delayed finality tell of its lanes."""

    def __init__(
        self,
        chain: Chain,
        prover: Prover,
        sender: Sender,
        services: Services,
    ) -> None:
        self._chain = chain
        self._prover = prover
        self._sender = sender
        self._services = services
        self._sent: list[SentMessage] = []
        self._audited_at = 0.0

    def is_newer_wanted(
        self,
        header: VerifiedHeader,
        head: Head,
        outbound: list[OutgoingLane],
        inbound: list[IncomingLane],
        now_s: float,
    ) -> bool:
        """Return whether anything waits for a newer header than the verified one.

        That is a message that was sent or delivered after it or has passed its deadline, or a page whose
        proof a destination refuses or does not believe any more.

        Args:
            header: the newest verified header.
            head: the newest head that providers tell of.
            outbound: the chain's outgoing lanes.
            inbound: its incoming lanes.
            now_s: the event loop's clock.
        """
        if now_s - self._audited_at >= _AUDIT_S:
            self._audited_at = now_s
            return True
        if any(sent.block_number > header.number for sent in self._sent):
            return True
        if self._sender.wants_header(header.number):
            return True
        if any(self._awaited(lane.progress, header) for lane in inbound):
            return True
        if any(
            page.past_deadline(page.open, head.timestamp)
            for lane in inbound
            for page in lane.progress.pages.values()
        ):
            return True
        return any(
            page.open and (page.proof_is_stale or lane.task.oldest_height > header.number)
            for lane in outbound
            for page in lane.progress.pages.values()
        )

    async def show(
        self,
        header: VerifiedHeader,
        head: Head,
        outbound: list[OutgoingLane],
        inbound: list[IncomingLane],
    ) -> None:
        """Read the logs above the verified header, show them in the journal, and set what the lanes wait for.

        Raises:
            Retryable: the logs can't be read.
        """
        first = max(header.number + 1, head.number - _LOOK_BACK + 1)
        told: list[SentMessage] = []
        if first <= head.number:
            told = await self._chain.sent_messages(Height(first), head.number)
        # Older blocks hardly change any more: what they told before is kept without reading them again.
        kept = [sent for sent in self._sent if header.number < sent.block_number < first]
        self._sent = kept + [sent for sent in told if first <= sent.block_number <= head.number]
        for lane in outbound:
            await self._show(lane, header)
            self._services.lane_waiting.set(lane.progress, "sent", self._explain_sent(lane, head))
        for inward in inbound:
            self._services.lane_waiting.set(
                inward.progress, "delivered", self._explain_delivered(inward.progress, header, head)
            )

    async def _show(self, lane: OutgoingLane, header: VerifiedHeader) -> None:
        """Bring the journal to what logs tell of a lane now."""
        progress = lane.progress
        mine = [sent for sent in self._sent if sent.message.lane_id == progress.lane.id]
        change = compare_unfinalized(progress, mine, header.number, lane.unfinalized)
        if change:
            now = self._services.clock()
            steps = list(unfinalized_steps(progress.row, change.fresh, change.gone, now))

            def write(writing: Writing) -> None:
                if change.cut is not None:
                    writing.discard_messages(progress.row, change.cut)
                writing.put_messages([*change.moved, *change.fresh], now)
                writing.add_transitions(steps)

            await self._services.journal.commit(write)
        lane.unfinalized = change.told

    def _explain_sent(self, lane: OutgoingLane, head: Head) -> Waiting | None:
        if not lane.unfinalized:
            return None
        first = Height(lane.unfinalized[0].block_number)
        return Waiting(
            WaitingReason.FINALITY,
            f"{_count(len(lane.unfinalized))} sent on {self._chain.name} from block {first} on, "
            f"waiting for finality ({self._prover.describe_finality_wait(head, first)})",
        )

    def _explain_delivered(
        self, progress: LaneProgress, header: VerifiedHeader, head: Head
    ) -> Waiting | None:
        awaited = self._awaited(progress, header)
        if not awaited:
            return None
        first, count = awaited
        return Waiting(
            WaitingReason.FINALITY,
            f"{_count(count)} delivered on {self._chain.name} from block {first} on, waiting for finality "
            f"({self._prover.describe_finality_wait(head, first)})",
        )

    def _awaited(self, progress: LaneProgress, header: VerifiedHeader) -> tuple[Height, int] | None:
        """Return the first block above the header with deliveries of a lane, and how many they are.

        None where none were.
        """
        blocks = {
            transaction.receipt.block_number: transaction.batch.mask.bit_count()
            for transaction in self._sender.transactions
            if transaction.batch is not None
            and transaction.batch.lane == progress.row
            and transaction.receipt is not None
            and transaction.receipt.block_number > header.number
        }
        seen = [page for page in progress.pages.values() if page.seen and page.seen_at > header.number]
        if not blocks and not seen:
            return None
        first = min([*blocks, *(page.seen_at for page in seen)])
        return Height(first), sum(blocks.values()) + sum(page.seen.bit_count() for page in seen)


def _count(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"
