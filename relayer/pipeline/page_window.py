# SPDX-License-Identifier: MIT
"""Which pages of a lane are in memory: a window over its open messages, so that no backlog outgrows the process.

Pages come from the journal in order. A full page whose open messages all wait for a time (recipients that refuse) goes
back to it, so that messages nobody accepts never fill the window.
"""

from __future__ import annotations

from relayer.journal.errors import JournalUnreadable
from relayer.journal.reading import Reading
from relayer.journal.rows import Micros, StoredMessage, StoredPage, StoredProof, StoredWait
from relayer.journal.store import Journal
from relayer.pipeline.lane_state import LaneProgress, PageState, Parked, fill_page, indices
from relayer.pipeline.transactions import TransactionTracker
from relayer.protocol.delivery import WaitingReason
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE, ZERO_HEAD

#: Pages of one lane in memory: 16,384 messages.
WINDOW = 64
#: A page is worth reading again only if it rests for a while.
_SHORTEST_REST = 30_000_000
_READS = 3


class PageWindow:
    """Loads pages of one lane and puts them back."""

    def __init__(self, book: LaneProgress, journal: Journal, tracker: TransactionTracker) -> None:
        self._book = book
        self._journal = journal
        self._tracker = tracker

    async def refill(self, now: Micros) -> None:
        """Bring in pages whose time has come, then the next ones, while there is room. In order, the oldest first."""
        book = self._book
        self._rest(now)
        for page in [page for page, parked in book.parked.items() if parked.until <= now]:
            await self.load(page, now)
        while len(book.pages) < WINDOW and book.next_page << PAGE_BITS < book.proven:
            page = book.next_page
            if page not in book.pages:
                await self.load(page, now)
            if book.next_page == page:
                book.next_page = page + 1

    async def load(self, page: int, now: Micros) -> None:
        """Read one page into memory, unless nothing of it is open any more.

        Raises:
            JournalUnreadable: proven messages are missing in the journal.
        """
        book = self._book
        reads = 0
        while True:
            stored, proof, settled, waits, start_head = await self._journal.read(
                lambda reading: _read_page(reading, book, page)
            )
            if page in book.pages:
                return
            # While we read, more may have been committed, or counted as proven, than the other knows of.
            count = min(PAGE_SIZE, book.proven - (page << PAGE_BITS))
            if len(stored) >= count:
                break
            reads += 1
            if reads < _READS:
                continue
            raise JournalUnreadable(
                f"{len(stored)} messages of page {page} of {book.name}",
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
        loaded.in_flight = self._tracker.in_flight(book.row, page)
        book.parked.pop(page, None)
        if not loaded.is_settled:
            book.pages[page] = loaded
            # Somebody else may have delivered any of it while it was not in memory.
            book.audits.add(page)

    def pages_in_flight(self) -> set[int]:
        """The pages with messages in transactions that may still land."""
        live = self._tracker.live.values()
        return {
            each.batch.page for each in live if each.batch is not None and each.batch.lane == self._book.row
        }

    def _rest(self, now: Micros) -> None:
        """Put back full pages in which nothing can be done for a while."""
        book = self._book
        for page in list(book.pages.values()):
            waiting = [page.waits[index].not_before for index in indices(page.open) if index in page.waits]
            rests = (
                len(page.messages) == PAGE_SIZE
                and not page.in_flight
                and not page.seen
                and page.page not in book.audits
                and len(waiting) == page.open.bit_count()
            )
            if rests and waiting and min(waiting) > now + _SHORTEST_REST:
                counts = page.count_waiting(WaitingReason.RECIPIENT_REVERTS)
                book.parked[page.page] = Parked(min(waiting), counts)
                del book.pages[page.page]


_Page = tuple[tuple[StoredMessage, ...], StoredProof | None, StoredPage | None, tuple[StoredWait, ...], bytes]


def _read_page(reading: Reading, book: LaneProgress, page: int) -> _Page:
    first, last = page << PAGE_BITS, (page << PAGE_BITS) + PAGE_SIZE - 1
    before = reading.messages(book.row, first - 1, first - 1) if first else ()
    settled = reading.pages(book.row, page, page)
    proofs = reading.proofs(book.row, page, page)
    return (
        reading.messages(book.row, first, last),
        proofs[0] if proofs else None,
        settled[0] if settled else None,
        reading.waits(book.row, first, last),
        before[0].head if before else ZERO_HEAD,
    )


async def open_lane(book: LaneProgress, shelf: PageWindow, journal: Journal, now: Micros) -> None:
    """Put a lane back to where an earlier process left it.

    Pages with messages in signed transactions come first, wherever they lie; the rest follows by the window.
    """
    settled = await journal.read(lambda reading: reading.pages(book.row))
    full = {each.page for each in settled if (each.delivered | each.expired).bit_count() == PAGE_SIZE}
    book.next_page = book.settled >> PAGE_BITS
    while book.next_page in full:
        book.next_page += 1
    for page in sorted(shelf.pages_in_flight()):
        await shelf.load(page, now)
    await shelf.refill(now)
