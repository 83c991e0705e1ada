# SPDX-License-Identifier: MIT
"""The page window: which pages of a lane are in memory, so that no backlog outgrows the process.

Pages come from the journal in order. A full page whose open messages all wait for a time (their recipients
refuse them) leaves memory until then, so that messages that nobody accepts never fill the window.
"""

from __future__ import annotations

from typing import Final

from relayer.journal.errors import JournalUnreadable
from relayer.journal.reading import Reading
from relayer.journal.rows import StoredMessage, StoredPage, StoredProof, StoredWait
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.page import PageState
from relayer.pipeline.services import Services
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE, ZERO_HEAD
from relayer.sending.sender import Sender

#: The most pages of one lane in memory: 16,384 messages.
WINDOW: Final = 64
#: How often a page is read while the chain's task commits to it. After that, messages are missing for good.
_READS: Final = 3


class PageWindow:
    """Loads pages of one lane into memory, and takes them out again."""

    def __init__(self, progress: LaneProgress, services: Services, sender: Sender) -> None:
        self._progress = progress
        self._services = services
        self._sender = sender

    async def refill(self) -> None:
        """Let pages rest, load those whose time has come, then the next ones, while there is room.

        Raises:
            JournalUnreadable: proven messages are missing in the journal.
        """
        progress = self._progress
        now = self._services.monotonic()
        progress.rest(now)
        for page in progress.due_pages(now):
            await self.load(page)
        while len(progress.pages) < WINDOW and progress.next_page << PAGE_BITS < progress.proven:
            page = progress.next_page
            if page not in progress.pages:
                await self.load(page)
            progress.pass_page(page)

    async def load(self, page: int) -> None:
        """Load one page, unless nothing of it is open any more.

        Raises:
            JournalUnreadable: proven messages are missing in the journal.
        """
        progress = self._progress
        reads = 0
        while True:
            stored, proof, settled, waits, start_head = await self._services.journal.read(
                lambda reading: _read_page(reading, progress, page)
            )
            # The chain's task may have begun the page itself during the read.
            if page in progress.pages:
                return
            # During the read the chain's task may have proven more messages than the snapshot has, or
            # committed more than are counted as proven. So the count is taken after it, and too few are read
            # another time.
            count = min(PAGE_SIZE, progress.proven - (page << PAGE_BITS))
            if len(stored) >= count:
                break
            reads += 1
            if reads < _READS:
                continue
            raise JournalUnreadable(
                f"{len(stored)} messages of page {page} of {progress.name}",
                f"{count}, which were proven",
                "Restore the journal from a copy, or start with an empty one: it is rebuilt from the chains",
            )
        loaded = PageState.load(
            page,
            start_head,
            stored[:count],
            proof,
            settled,
            waits,
            self._sender.carried(progress.row, page),
            self._services.now(),
        )
        progress.load(loaded)

    def pages_in_flight(self) -> set[int]:
        """Return the numbers of the pages with messages in live transactions."""
        live = self._sender.transactions
        return {
            transaction.batch.page
            for transaction in live
            if transaction.batch is not None and transaction.batch.lane == self._progress.row
        }


_Page = tuple[tuple[StoredMessage, ...], StoredProof | None, StoredPage | None, tuple[StoredWait, ...], bytes]


def _read_page(reading: Reading, progress: LaneProgress, page: int) -> _Page:
    first, last = page << PAGE_BITS, (page << PAGE_BITS) + PAGE_SIZE - 1
    before = reading.messages(progress.row, first - 1, first - 1) if first else ()
    settled = reading.pages(progress.row, page, page)
    proofs = reading.proofs(progress.row, page, page)
    return (
        reading.messages(progress.row, first, last),
        proofs[0] if proofs else None,
        settled[0] if settled else None,
        reading.waits(progress.row, first, last),
        before[0].head if before else ZERO_HEAD,
    )


async def open_lane(progress: LaneProgress, window: PageWindow, services: Services) -> None:
    """Load a lane as an earlier process left it in the journal.

    Pages with messages in live transactions are loaded wherever they lie, because the outcome of these
    transactions is judged in memory. The others are loaded as the window goes on.
    """
    settled = await services.journal.read(lambda reading: reading.pages(progress.row))
    full = {page.page for page in settled if (page.delivered | page.expired).bit_count() == PAGE_SIZE}
    first = progress.settled >> PAGE_BITS
    while first in full:
        first += 1
    progress.begin_at(first)
    for page in sorted(window.pages_in_flight()):
        await window.load(page)
    await window.refill()
