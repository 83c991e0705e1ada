# SPDX-License-Identifier: MIT
"""The page window: which pages of a lane are in memory, so that no backlog outgrows the process.

Pages come from the journal in order. A full page whose open messages all wait for a time (their recipients
refuse them) leaves memory until then, so that messages that nobody accepts never fill the window.
"""

from __future__ import annotations

from typing import Final

from relayer.journal.errors import JournalUnreadable
from relayer.journal.reading import Reading
from relayer.journal.rows import Micros, StoredMessage, StoredPage, StoredProof, StoredWait
from relayer.journal.store import Journal
from relayer.pipeline.rules.lane import LaneProgress, PageState, Parked, fill_page, indices
from relayer.protocol.delivery import WaitingReason
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE, ZERO_HEAD
from relayer.sending.sender import Sender

#: The most pages of one lane in memory: 16,384 messages.
WINDOW: Final = 64
#: In microseconds. A page that would be read again sooner stays in memory.
_SHORTEST_REST: Final = 30_000_000
#: How often a page is read while the chain's task commits to it. After that, messages are missing for good.
_READS: Final = 3


class PageWindow:
    """Loads pages of one lane into memory, and takes them out again."""

    def __init__(self, progress: LaneProgress, journal: Journal, sender: Sender) -> None:
        self._progress = progress
        self._journal = journal
        self._sender = sender

    async def refill(self, now: Micros) -> None:
        """Load the parked pages whose time has come, then the next ones, while there is room.

        Raises:
            JournalUnreadable: proven messages are missing in the journal.
        """
        progress = self._progress
        self._rest(now)
        for page in [page for page, parked in progress.parked.items() if parked.until <= now]:
            await self.load(page, now)
        while len(progress.pages) < WINDOW and progress.next_page << PAGE_BITS < progress.proven:
            page = progress.next_page
            if page not in progress.pages:
                await self.load(page, now)
            # The chain's task may have moved it on meanwhile.
            if progress.next_page == page:
                progress.next_page = page + 1

    async def load(self, page: int, now: Micros) -> None:
        """Load one page, unless nothing of it is open any more.

        Raises:
            JournalUnreadable: proven messages are missing in the journal.
        """
        progress = self._progress
        reads = 0
        while True:
            stored, proof, settled, waits, start_head = await self._journal.read(
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
        loaded = PageState(page, start_head)
        fill_page(loaded, stored[:count], proof, waits, now)
        if settled is not None:
            loaded.delivered, loaded.expired, loaded.height = (
                settled.delivered,
                settled.expired,
                settled.height,
            )
        loaded.in_flight = self._sender.carried(progress.row, page)
        progress.parked.pop(page, None)
        if not loaded.is_settled:
            progress.pages[page] = loaded
            # Somebody else may have delivered messages of it while it was out of memory.
            progress.audits.add(page)

    def pages_in_flight(self) -> set[int]:
        """Return the numbers of the pages with messages in live transactions."""
        live = self._sender.transactions
        return {
            tracked.batch.page
            for tracked in live
            if tracked.batch is not None and tracked.batch.lane == self._progress.row
        }

    def _rest(self, now: Micros) -> None:
        """Take full pages out of memory in which nothing can be done for a while."""
        progress = self._progress
        for page in list(progress.pages.values()):
            waiting = [page.waits[index].not_before for index in indices(page.open) if index in page.waits]
            # A page that is not full stays, because messages are added to it. What is in flight or seen is
            # judged in memory.
            rests = (
                len(page.messages) == PAGE_SIZE
                and not page.in_flight
                and not page.seen
                and page.page not in progress.audits
                and len(waiting) == page.open.bit_count()
            )
            if rests and waiting and min(waiting) > now + _SHORTEST_REST:
                counts = page.count_waiting(WaitingReason.RECIPIENT_REVERTS)
                progress.parked[page.page] = Parked(min(waiting), counts)
                del progress.pages[page.page]


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


async def open_lane(progress: LaneProgress, window: PageWindow, journal: Journal, now: Micros) -> None:
    """Load a lane as an earlier process left it in the journal.

    Pages with messages in live transactions are loaded wherever they lie, because the outcome of these
    transactions is judged in memory. The others are loaded as the window goes on.
    """
    settled = await journal.read(lambda reading: reading.pages(progress.row))
    full = {page.page for page in settled if (page.delivered | page.expired).bit_count() == PAGE_SIZE}
    progress.next_page = progress.settled >> PAGE_BITS
    while progress.next_page in full:
        progress.next_page += 1
    for page in sorted(window.pages_in_flight()):
        await window.load(page, now)
    await window.refill(now)
