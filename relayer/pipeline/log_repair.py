# SPDX-License-Identifier: MIT
"""Logs that do not lead to the proven head, or whose fields do not hash to a proven leaf: read again, ever less often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from light_clients.client import Height
from relayer.chains.base import Chain, SentMessage
from relayer.errors import Retryable
from relayer.journal.reading import Reading
from relayer.journal.rows import LaneRow, Micros, StoredMessage
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.metrics import Metrics
from relayer.pipeline.chain_commit import OutLane
from relayer.pipeline.lane_state import indices
from relayer.pipeline.lane_waiting import Reasons
from relayer.pipeline.steps import Verified
from relayer.pipeline.transitions import restored_steps
from relayer.pipeline.watch import LogScanner

_FIRST_PAUSE_S = 1
_LONGEST_PAUSE_S = 120
#: Every provider was asked for altered logs already: there is no hurry.
_FIRST_REREAD_S = 10
_TIMEOUT_S = 60
#: Altered messages looked for at once.
_AT_ONCE = 64


@dataclass(slots=True)
class _State:
    tries: int = 0
    again_at: float = 0.0
    reread_tries: int = 0
    reread_at: float = 0.0
    gap: asyncio.Task[None] | None = None
    reread: asyncio.Task[None] | None = None


class LogRepair:
    """Reads logs again for the lanes of one chain, beside the chain's loop: a bad lane slows no other."""

    def __init__(
        self,
        chain: Chain,
        scanner: LogScanner,
        journal: Journal,
        reasons: Reasons,
        metrics: Metrics,
        clock: Callable[[], Micros],
    ) -> None:
        self._chain = chain
        self._scanner = scanner
        self._journal = journal
        self._reasons = reasons
        self._metrics = metrics
        self._clock = clock
        self._states: dict[LaneRow, _State] = {}
        self._log = structlog.get_logger().bind(chain=chain.name)

    def is_reading(self, lane: OutLane) -> bool:
        """Whether a lane's logs are being read again: what is known of it is not judged meanwhile."""
        task = self._of(lane).gap
        return task is not None and not task.done()

    def is_needed(self, lane: OutLane) -> bool:
        """Whether a lane's logs did not lead to the proven head when they were judged last."""
        return self._of(lane).tries > 0

    def succeeded(self, lane: OutLane) -> None:
        """The lane's logs lead to the proven head."""
        self._of(lane).tries = 0
        lane.hearsay = 0
        self._reasons.set(lane.book, "logs", None)

    def begin(self, lane: OutLane, verified: Verified, scanned: int, now_s: float) -> None:
        """Read a lane's logs again from its last proven point, unless that was done a moment ago."""
        assert verified.waiting is not None
        state = self._of(lane)
        self._reasons.set(lane.book, "logs", verified.waiting)
        if verified.hearsay:
            lane.hearsay = verified.hearsay[-1].message.sequence + 1
        if now_s < state.again_at or self.is_reading(lane):
            return
        self._log.warning(
            "logs do not lead to the proven head", lane=lane.book.name, detail=verified.waiting.detail
        )
        self._metrics.step_failed(self._chain.name, "LogsIncomplete")
        state.again_at = now_s + min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S << min(state.tries, 10))
        state.tries += 1
        self._chain.doubt_logs(Height(lane.book.proven_block), Height(scanned))
        state.gap = asyncio.create_task(self._read_gap(lane, scanned))

    def consider_altered(self, lane: OutLane, now_s: float) -> None:
        """Look again for messages whose fields were told wrong, if the lane has any and it is time."""
        state = self._of(lane)
        altered = [
            page.first + index
            for page in lane.book.pages.values()
            for index in indices(page.altered & page.open)
        ]
        if not altered:
            state.reread_tries = 0
            return
        if now_s < state.reread_at or (state.reread is not None and not state.reread.done()):
            return
        state.reread_at = now_s + min(_LONGEST_PAUSE_S, _FIRST_REREAD_S << min(state.reread_tries, 10))
        state.reread_tries += 1
        state.reread = asyncio.create_task(self._reread(lane, altered[:_AT_ONCE]))

    async def close(self) -> None:
        """Stop reading."""
        tasks = [task for state in self._states.values() for task in (state.gap, state.reread) if task]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _of(self, lane: OutLane) -> _State:
        return self._states.setdefault(lane.book.row, _State())

    async def _read(self, lane: OutLane, first: int, last: int) -> list[SentMessage] | None:
        """The lane's messages of blocks first..last; None when they can't be read now."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                sent = await self._scanner.read_again(first, last)
        except (Retryable, TimeoutError) as error:
            self._log.warning("reading logs again failed", lane=lane.book.name, error=str(error))
            return None
        return [each for each in sent if each.message.lane_id == lane.book.lane.id]

    async def _read_gap(self, lane: OutLane, scanned: int) -> None:
        book = lane.book
        mine = await self._read(lane, book.proven_block, scanned)
        if mine is not None:
            later = [each for each in book.candidates if each.block_number > scanned]
            book.candidates = [*mine, *later]

    async def _reread(self, lane: OutLane, sequences: list[int]) -> None:
        for sequence in sequences:
            known = await self._journal.read(partial(_read_one, lane=lane.book.row, sequence=sequence))
            if not known:
                continue
            mine = await self._read(lane, known[0].block_number, known[0].block_number)
            for each in mine or ():
                if each.message.sequence == sequence and each.message.id == known[0].leaf:
                    await self._restore(lane, known[0], each)

    async def _restore(self, lane: OutLane, known: StoredMessage, told: SentMessage) -> None:
        book, sequence = lane.book, int(told.message.sequence)
        restored = StoredMessage(
            lane=book.row,
            message=told.message,
            leaf=known.leaf,
            head=known.head,
            block_number=told.block_number,
            block_hash=told.block_hash,
            tx_hash=told.tx_hash,
            log_index=known.log_index,
        )
        steps = list(restored_steps(book.row, sequence, told.block_number, self._clock()))

        def write(writing: Writing) -> None:
            writing.put_messages([restored])
            writing.clear_waits(book.row, [sequence])
            writing.add_transitions(steps)

        await self._journal.commit(write)
        page = book.pages.get(told.message.page)
        if page is not None:
            page.restore(sequence & 0xFF, told.message)
            page.waits.pop(sequence & 0xFF, None)
        lane.wake()


def _read_one(reading: Reading, lane: LaneRow, sequence: int) -> tuple[StoredMessage, ...]:
    return reading.messages(lane, sequence, sequence)
