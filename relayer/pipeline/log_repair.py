# SPDX-License-Identifier: MIT
"""Log repair: reads logs again that do not lead to the proven head, or whose fields do not hash to a proven
leaf.

The pauses between tries grow. Where logs do not lead to the head, the chain is told to doubt their providers.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from light_clients.client import Height
from relayer.chains.base import Chain, SentMessage
from relayer.errors import Retryable
from relayer.journal.reading import Reading
from relayer.journal.rows import LaneRow, StoredMessage
from relayer.journal.writing import Writing
from relayer.pipeline.chain_commit import OutgoingLane
from relayer.pipeline.rules.page import indices
from relayer.pipeline.rules.proving import Verified
from relayer.pipeline.rules.story import restored_steps
from relayer.pipeline.services import Services
from relayer.pipeline.watch import LogScanner

#: The pause between tries to read a gap. It doubles with every try.
_FIRST_PAUSE_S: Final = 1
_LONGEST_PAUSE_S: Final = 120
#: Altered fields harm one message alone, and the chain has asked its other providers: there is no hurry.
FIRST_REREAD_S: Final = 10
#: A reading that takes longer hangs. It is given up, and the next try comes after the pause.
_TIMEOUT_S: Final = 60
#: The most altered messages that one try looks for.
_AT_ONCE: Final = 64


@dataclass(slots=True)
class _State:
    tries: int = 0
    again_at: float = 0.0
    reread_tries: int = 0
    reread_at: float = 0.0
    gap: asyncio.Task[None] | None = None
    reread: asyncio.Task[None] | None = None


class LogRepair:
    """Reads logs again for the lanes of one chain, in tasks of its own: a bad lane slows no other."""

    def __init__(
        self,
        chain: Chain,
        scanner: LogScanner,
        services: Services,
    ) -> None:
        self._chain = chain
        self._scanner = scanner
        self._services = services
        self._states: dict[LaneRow, _State] = {}
        self._log = structlog.get_logger().bind(chain=chain.name)

    def is_reading(self, lane: OutgoingLane) -> bool:
        """Return whether a lane's logs are being read again. The lane is not judged meanwhile."""
        task = self._of(lane).gap
        return task is not None and not task.done()

    def is_needed(self, lane: OutgoingLane) -> bool:
        """Return whether a lane's logs did not lead to the proven head when they were judged last."""
        return self._of(lane).tries > 0

    def succeeded(self, lane: OutgoingLane) -> None:
        """Note that a lane's logs lead to the proven head.

        The next trouble starts from the shortest pause.
        """
        self._of(lane).tries = 0
        lane.hearsay = 0
        self._services.lane_waiting.set(lane.progress, "logs", None)

    def begin(self, lane: OutgoingLane, verified: Verified, scanned: int, now_s: float) -> None:
        """Read a lane's logs again from its last proven message on, unless the pause after the last try
        lasts.

        Args:
            lane: the lane.
            verified: what was found; its `waiting` says what is wrong.
            scanned: the block up to which logs were read.
            now_s: the event loop's clock.
        """
        assert verified.waiting is not None
        state = self._of(lane)
        self._services.lane_waiting.set(lane.progress, "logs", verified.waiting)
        if verified.hearsay:
            lane.hearsay = verified.hearsay[-1].message.sequence + 1
        if now_s < state.again_at or self.is_reading(lane):
            return
        self._log.warning(
            "logs do not lead to the proven head", lane=lane.progress.name, detail=verified.waiting.detail
        )
        self._services.metrics.step_failed(self._chain.name, "LogsIncomplete")
        state.again_at = now_s + min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S << min(state.tries, 10))
        state.tries += 1
        self._chain.doubt_logs(Height(lane.progress.proven_block), Height(scanned))
        state.gap = asyncio.create_task(self._read_gap(lane, scanned))

    def consider_altered(self, lane: OutgoingLane, now_s: float) -> None:
        """Read again the logs of messages whose fields were altered, if the lane has any and it is time."""
        state = self._of(lane)
        altered = [
            page.first + index
            for page in lane.progress.pages.values()
            for index in indices(page.altered & page.open)
        ]
        if not altered:
            state.reread_tries = 0
            return
        if now_s < state.reread_at or (state.reread is not None and not state.reread.done()):
            return
        state.reread_at = now_s + min(_LONGEST_PAUSE_S, FIRST_REREAD_S << min(state.reread_tries, 10))
        state.reread_tries += 1
        state.reread = asyncio.create_task(self._reread(lane, altered[:_AT_ONCE]))

    async def close(self) -> None:
        """Cancel what is being read, and wait for it."""
        tasks = [task for state in self._states.values() for task in (state.gap, state.reread) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _of(self, lane: OutgoingLane) -> _State:
        return self._states.setdefault(lane.progress.row, _State())

    async def _read(self, lane: OutgoingLane, first: int, last: int) -> list[SentMessage] | None:
        """Return the lane's messages of blocks first..last, None when they can't be read now."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                sent = await self._scanner.read_again(first, last)
        except (Retryable, TimeoutError) as error:
            self._log.warning("reading logs again failed", lane=lane.progress.name, error=str(error))
            return None
        return [message for message in sent if message.message.lane_id == lane.progress.lane.id]

    async def _read_gap(self, lane: OutgoingLane, scanned: int) -> None:
        progress = lane.progress
        # From the block of the last proven message on, which may hold more of the lane behind it.
        mine = await self._read(lane, progress.proven_block, scanned)
        if mine is not None:
            # All candidates of these blocks are replaced, since it is not known which of them are wrong.
            progress.replace_candidates(mine, scanned)

    async def _reread(self, lane: OutgoingLane, sequences: list[int]) -> None:
        for sequence in sequences:
            known = await self._services.journal.read(
                partial(_read_one, lane=lane.progress.row, sequence=sequence)
            )
            if not known:
                continue
            mine = await self._read(lane, known[0].block_number, known[0].block_number)
            for sent in mine or ():
                # Only fields that hash to the proven leaf take the place of the altered ones (INV-1).
                if sent.message.sequence == sequence and sent.message.id == known[0].leaf:
                    await self._restore(lane, known[0], sent)

    async def _restore(self, lane: OutgoingLane, known: StoredMessage, told: SentMessage) -> None:
        progress, sequence = lane.progress, int(told.message.sequence)
        restored = StoredMessage(
            lane=progress.row,
            message=told.message,
            leaf=known.leaf,
            head=known.head,
            block_number=told.block_number,
            block_hash=told.block_hash,
            tx_hash=told.tx_hash,
            log_index=known.log_index,
        )
        now = self._services.clock()
        steps = list(restored_steps(progress.row, sequence, told.block_number, now))

        def write(writing: Writing) -> None:
            writing.put_messages([restored], now)
            writing.clear_waits(progress.row, [sequence])
            writing.add_transitions(steps)

        await self._services.journal.commit(write)
        page = progress.pages.get(told.message.page)
        if page is not None:
            page.restore(sequence & 0xFF, told.message)
        lane.task.wake()


def _read_one(reading: Reading, lane: LaneRow, sequence: int) -> tuple[StoredMessage, ...]:
    return reading.messages(lane, sequence, sequence)
