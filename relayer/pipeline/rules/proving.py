# SPDX-License-Identifier: MIT
"""Prove: which slots of a gateway to ask for at a verified header, and what their values say of its lanes.
Pure.

One proof at the newest header has all slots of a gateway: the page heads of outgoing lanes and the delivered
bitmaps of incoming ones. `confirm` judges the bitmaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from relayer.consensus.base import ProvenSlot, VerifiedHeader
from relayer.journal.rows import LaneRow, StoredMessage, StoredProof
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.linking import Link, count_proven, is_explained, link_messages
from relayer.pipeline.rules.page import PageState
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.lane import delivered_slot, heads_slot
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE, Message, MessageId

#: The most slots of one proof: with more, the provider's answer would be too large.
MOST_SLOTS: Final = 96


@dataclass(frozen=True, slots=True)
class Verified:
    """What proven page heads say of one lane's messages.

    Attributes:
        lane: the lane's row.
        header: the header that commits to the heads.
        messages: the messages that lead to a proven head; they follow on from those proven before.
        hearsay: the messages that logs tell of beyond them and that lead to no proven head, where `waiting`
            is given; else empty.
        waiting: what is missing or wrong, so that the logs have to be read again; None where nothing is.
    """

    lane: LaneRow
    header: VerifiedHeader
    messages: tuple[StoredMessage, ...]
    hearsay: tuple[StoredMessage, ...]
    waiting: Waiting | None


@dataclass(frozen=True, slots=True)
class Proven:
    """The page heads of one lane with the bytes that prove them on the destination."""

    lane: LaneRow
    proofs: tuple[StoredProof, ...]


@dataclass(frozen=True, slots=True)
class WantedHeads:
    """What to ask of the source for one lane.

    Attributes:
        progress: the lane's state in memory.
        links: the messages that logs tell of up to the header, linked from the proven head on.
        pages: the numbers of the pages whose heads are to be proven.
    """

    progress: LaneProgress
    links: tuple[Link, ...]
    pages: tuple[int, ...]

    @property
    def is_complete(self) -> bool:
        """Whether all pages with new messages are asked for."""
        return {link.sequence >> PAGE_BITS for link in self.links}.issubset(self.pages)

    def slots(self) -> Iterable[bytes]:
        """Return the storage slots of the pages."""
        return (heads_slot(self.progress.lane.id, page) for page in self.pages)

    def values(self, proven: Mapping[bytes, ProvenSlot]) -> dict[int, ProvenSlot]:
        """Return what was proven of the pages, by page."""
        found = ((page, proven.get(heads_slot(self.progress.lane.id, page))) for page in self.pages)
        return {page: slot for page, slot in found if slot is not None}


@dataclass(frozen=True, slots=True)
class WantedBitmaps:
    """What to ask of the destination for one lane.

    Attributes:
        progress: the lane's state in memory.
        pages: the numbers of the pages whose bitmaps are to be proven.
    """

    progress: LaneProgress
    pages: tuple[int, ...]

    def slots(self) -> Iterable[bytes]:
        """Return the storage slots of the pages."""
        return (delivered_slot(self.progress.lane.id, page) for page in self.pages)

    def values(self, proven: Mapping[bytes, ProvenSlot]) -> dict[int, ProvenSlot]:
        """Return what was proven of the pages, by page."""
        found = ((page, proven.get(delivered_slot(self.progress.lane.id, page))) for page in self.pages)
        return {page: slot for page, slot in found if slot is not None}


@dataclass(frozen=True, slots=True)
class OutgoingAsk:
    """What is asked of the source for one lane.

    Attributes:
        progress: the lane's state in memory.
        audit: whether to ask for the page of the lane's next message though no log tells of one.
        oldest_height: the destination's client does not believe proofs below this block any more.
    """

    progress: LaneProgress
    audit: bool
    oldest_height: int


@dataclass(frozen=True, slots=True)
class IncomingAsk:
    """What is asked of the destination for one lane.

    Attributes:
        progress: the lane's state in memory.
        included: the pages with messages in transactions that are in blocks up to the header.
        audit: whether to ask for all pages with open messages: others may have delivered any of them, or a
            receipt may have been hidden from us.
    """

    progress: LaneProgress
    included: frozenset[int]
    audit: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one proof is to have."""

    heads: tuple[WantedHeads, ...]
    bitmaps: tuple[WantedBitmaps, ...]

    def slots(self) -> tuple[bytes, ...]:
        """Return the storage slots, every one once."""
        heads = (slot for wanted in self.heads for slot in wanted.slots())
        bitmaps = (slot for wanted in self.bitmaps for slot in wanted.slots())
        return tuple(dict.fromkeys([*heads, *bitmaps]))

    def lanes(self) -> set[LaneRow]:
        """Return the rows of the lanes that anything is asked for."""
        return {wanted.progress.row for wanted in self.heads} | {
            wanted.progress.row for wanted in self.bitmaps
        }


def choose_slots(
    outgoing: Iterable[OutgoingAsk], incoming: Iterable[IncomingAsk], header: VerifiedHeader
) -> Chosen:
    """Choose what to prove at a header of a chain, MOST_SLOTS at most.

    Every incoming lane gets half of what is left at most, so that they never keep outgoing ones from their
    proofs.
    """
    room = MOST_SLOTS
    bitmaps: list[WantedBitmaps] = []
    for inward in incoming:
        wanted = want_bitmaps(inward, header.number, header.timestamp, room=room // 2)
        room -= len(wanted.pages)
        bitmaps.append(wanted)
    heads: list[WantedHeads] = []
    for outward in outgoing:
        if room <= 0:
            break
        wanted_heads = want_heads(
            outward.progress,
            header.number,
            audit=outward.audit,
            oldest_height=outward.oldest_height,
            room=room,
        )
        room -= len(wanted_heads.pages)
        heads.append(wanted_heads)
    return Chosen(
        tuple(wanted for wanted in heads if wanted.pages), tuple(wanted for wanted in bitmaps if wanted.pages)
    )


def want_heads(
    progress: LaneProgress, height: int, *, audit: bool, oldest_height: int, room: int
) -> WantedHeads:
    """Choose the pages to prove: those with new messages, then those whose proof no longer serves.

    Args:
        progress: the lane.
        height: the header's block; messages of later blocks are left for a later header.
        audit: whether to ask for the page of the lane's next message though no log tells of one.
        oldest_height: the destination's client does not believe proofs below this block any more.
        room: how many pages there may be.
    """
    said = [sent for sent in progress.candidates if sent.block_number <= height]
    links = link_messages(progress.proven_head, progress.proven, said)
    pages = {link.sequence >> PAGE_BITS for link in links}
    # Messages that do not follow on from the proven ones are invented, or a log before them is missing. The
    # proven head of the newest page tells which.
    if audit or (said and not links):
        pages.add(progress.tail_page)
    fresh = sorted(pages)[:room]
    again = sorted(page.page for page in progress.pages.values() if _needs_proof(page, oldest_height))
    return WantedHeads(progress, links, tuple(dict.fromkeys([*fresh, *again[: room - len(fresh)]])))


def want_bitmaps(ask: IncomingAsk, height: int, destination_time: int, *, room: int) -> WantedBitmaps:
    """Choose the pages whose delivered bitmaps to prove: those in memory about which there may be news.

    A page that is out of memory is judged once it is loaded again, which asks for its bitmap.

    Args:
        ask: the lane, and what is asked for it.
        height: the header's block.
        destination_time: the header's time, in seconds; messages may be past their deadline.
        room: how many pages there may be.
    """
    progress = ask.progress
    wanted = {page for page in ask.included if page in progress.pages}
    wanted |= {page for page in progress.audits if progress.is_due(page, height)}
    wanted |= {
        page.page
        for page in progress.pages.values()
        if (ask.audit and page.open) or page.past_deadline(page.open, destination_time)
    }
    return WantedBitmaps(progress, tuple(sorted(wanted)[:room]))


def _needs_proof(page: PageState, oldest_height: int) -> bool:
    # Altered messages can't be sent, and those in flight have their proof in their transaction.
    if not page.open & ~page.altered & ~page.carried:
        return False
    return page.proof is None or page.proof_is_stale or page.proof.height < oldest_height


def judge_heads(
    wanted: WantedHeads, values: Mapping[int, ProvenSlot], header: VerifiedHeader, *, caught_up: bool
) -> Verified:
    """Return what proven heads say of a lane's messages.

    Args:
        wanted: what was asked for.
        values: what was proven, by page.
        header: the header that proves it.
        caught_up: whether the logs were read up to the header. Before, a message may only not be read yet, so
            nothing is called missing.
    """
    progress = wanted.progress
    proven = {page: slot.value for page, slot in values.items()}
    count = count_proven(wanted.links, proven)
    messages = tuple(to_stored(progress, link) for link in wanted.links[:count])
    proven_count = progress.proven + count
    proven_head = messages[-1].head if messages else progress.proven_head
    waiting = None
    if caught_up and wanted.is_complete:
        waiting = _what_is_wrong(wanted, proven, proven_count, proven_head)
    hearsay = tuple(to_stored(progress, link) for link in wanted.links[count:]) if waiting is not None else ()
    return Verified(progress.row, header, messages, hearsay, waiting)


def _what_is_wrong(
    wanted: WantedHeads, proven: Mapping[int, bytes], proven_count: int, proven_head: bytes
) -> Waiting | None:
    tail = proven_count >> PAGE_BITS
    if tail in proven:
        page = tail
        explained = is_explained(proven_count, proven_head, page, proven[page])
    # The newest proven message ends its page, and the next page was not asked for.
    elif proven_count % PAGE_SIZE == 0 and tail - 1 in proven:
        page = tail - 1
        explained = proven[page] == proven_head
    else:
        # The page of the next message was not asked for, because no log tells of one and no audit was due.
        return None
    unproven = len(wanted.links) - (proven_count - wanted.progress.proven)
    if explained and not unproven:
        return None
    detail = (
        f"{wanted.progress.source}'s logs tell of {unproven} more messages after {proven_count} proven ones, "
        f"and they do not lead to the proven head 0x{proven[page].hex()[:16]}… of page {page}; "
        "they are read again"
    )
    return Waiting(WaitingReason.RPC_TROUBLE, detail)


def proofs_of(wanted: WantedHeads, values: Mapping[int, ProvenSlot], verified: Verified) -> Proven:
    """Return the proofs of page heads that are known, with the last message that they cover.

    A proven head is known when it is the running head after a message of the page, proven before or just now.
    """
    heads: dict[int, list[tuple[int, bytes]]] = {}
    for number, page in wanted.progress.pages.items():
        if number in values:
            heads[number] = [(page.first + index, head) for index, head in enumerate(page.heads)]
    for stored in verified.messages:
        heads.setdefault(stored.message.page, []).append((stored.message.sequence, stored.head))
    proofs = []
    for number, slot in values.items():
        for sequence, head in reversed(heads.get(number, [])):
            if head == slot.value:
                proofs.append(
                    StoredProof(
                        lane=wanted.progress.row,
                        page=number,
                        last=sequence,
                        head=head,
                        height=slot.height,
                        timestamp=slot.timestamp,
                        proof=slot.proof,
                    )
                )
                break
    return Proven(wanted.progress.row, tuple(proofs))


def to_stored(progress: LaneProgress, link: Link) -> StoredMessage:
    """Return a message that logs tell of, as the journal keeps it."""
    sent = link.sent
    message: Message = sent.message
    return StoredMessage(
        lane=progress.row,
        message=message,
        leaf=MessageId(sent.claimed_id),
        head=link.head,
        block_number=sent.block_number,
        block_hash=sent.block_hash,
        tx_hash=sent.tx_hash,
        # A provider chooses this number: one that outgrows its column must not make the commit fail.
        log_index=min(sent.log_index, 2**31 - 1),
    )
