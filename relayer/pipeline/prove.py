# SPDX-License-Identifier: MIT
"""Prove: which slots of a gateway are asked for at a verified header, and what their values say of its lanes.

All slots of one gateway, the heads of outgoing lanes and the delivered words of incoming ones, come in one proof at the
tip. The functions that judge are pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from relayer.consensus.base import ProvenSlot, VerifiedHeader
from relayer.journal.rows import StoredMessage, StoredProof
from relayer.pipeline.lane_state import LaneProgress, PageState
from relayer.pipeline.linking import Link, count_proven, is_explained, link
from relayer.pipeline.steps import Proven, Verified
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.lane import delivered_slot, heads_slot
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE, Message, MessageId

#: One proof with more slots than this would make the provider's answer too large.
MOST_SLOTS = 96


@dataclass(frozen=True, slots=True)
class WantedHeads:
    """What is asked of the source for one lane: the pages whose heads are to be proven."""

    book: LaneProgress
    links: tuple[Link, ...]
    pages: tuple[int, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every page with new messages is asked for."""
        return {each.sequence >> PAGE_BITS for each in self.links}.issubset(self.pages)

    def slots(self) -> Iterable[bytes]:
        """Their storage slots."""
        return (heads_slot(self.book.lane.id, page) for page in self.pages)

    def values(self, proven: Mapping[bytes, ProvenSlot]) -> dict[int, ProvenSlot]:
        """What came back, by page."""
        found = ((page, proven.get(heads_slot(self.book.lane.id, page))) for page in self.pages)
        return {page: slot for page, slot in found if slot is not None}


@dataclass(frozen=True, slots=True)
class WantedWords:
    """What is asked of the destination for one lane: the pages whose delivered words are to be proven."""

    book: LaneProgress
    pages: tuple[int, ...]

    def slots(self) -> Iterable[bytes]:
        """Their storage slots."""
        return (delivered_slot(self.book.lane.id, page) for page in self.pages)

    def values(self, proven: Mapping[bytes, ProvenSlot]) -> dict[int, ProvenSlot]:
        """What came back, by page."""
        found = ((page, proven.get(delivered_slot(self.book.lane.id, page))) for page in self.pages)
        return {page: slot for page, slot in found if slot is not None}


def want_heads(book: LaneProgress, height: int, *, audit: bool, oldest_height: int, room: int) -> WantedHeads:
    """Choose the pages to prove at a header: those with new messages, then those whose proof no longer serves.

    `audit` asks for the tail's page though no log speaks of it. Proofs below `oldest_height` are of signers that the
    destination's client no longer trusts. At most `room` pages.
    """
    said = [sent for sent in book.candidates if sent.block_number <= height]
    links = link(book.proven_head, book.proven, said)
    pages = {each.sequence >> PAGE_BITS for each in links}
    if audit or (said and not links):
        pages.add(book.tail_page)
    fresh = sorted(pages)[:room]
    again = sorted(page.page for page in book.pages.values() if _needs_proof(page, oldest_height))
    return WantedHeads(book, links, tuple(dict.fromkeys([*fresh, *again[: room - len(fresh)]])))


def _needs_proof(page: PageState, oldest_height: int) -> bool:
    if not page.open & ~page.altered & ~page.in_flight:
        return False
    return page.proof is None or page.proof_is_stale or page.proof.height < oldest_height


def judge_heads(
    wanted: WantedHeads, values: Mapping[int, ProvenSlot], header: VerifiedHeader, *, caught_up: bool
) -> Verified:
    """What the proven heads say of a lane's messages. `caught_up` tells that the logs were read up to the header."""
    book = wanted.book
    proven = {page: slot.value for page, slot in values.items()}
    count = count_proven(wanted.links, proven)
    messages = tuple(to_stored(book, each) for each in wanted.links[:count])
    proven_count = book.proven + count
    proven_head = messages[-1].head if messages else book.proven_head
    waiting = None
    if caught_up and wanted.is_complete:
        waiting = _what_is_wrong(wanted, proven, proven_count, proven_head)
    hearsay = tuple(to_stored(book, each) for each in wanted.links[count:]) if waiting is not None else ()
    return Verified(book.row, header, messages, hearsay, waiting)


def _what_is_wrong(
    wanted: WantedHeads, proven: Mapping[int, bytes], proven_count: int, proven_head: bytes
) -> Waiting | None:
    tail = proven_count >> PAGE_BITS
    if tail in proven:
        page = tail
        explained = is_explained(proven_count, proven_head, page, proven[page])
    elif proven_count % PAGE_SIZE == 0 and tail - 1 in proven:
        page = tail - 1
        explained = proven[page] == proven_head
    else:
        # Nothing was asked about the tail, because nothing speaks of it: nothing is wrong that we know of.
        return None
    unproven = len(wanted.links) - (proven_count - wanted.book.proven)
    if explained and not unproven:
        return None
    detail = (
        f"{wanted.book.source}'s logs tell of {unproven} more messages after {proven_count} proven ones, and they do "
        f"not lead to the proven head 0x{proven[page].hex()[:16]}… of page {page}; they are read again"
    )
    return Waiting(WaitingReason.RPC_TROUBLE, detail)


def proofs_of(wanted: WantedHeads, values: Mapping[int, ProvenSlot], verified: Verified) -> Proven:
    """The page heads that proofs were found for, with the last message that each covers."""
    heads: dict[int, list[tuple[int, bytes]]] = {}
    for page, book in wanted.book.pages.items():
        if page in values:
            heads[page] = [(book.first + index, head) for index, head in enumerate(book.heads)]
    for each in verified.messages:
        heads.setdefault(each.message.page, []).append((each.message.sequence, each.head))
    proofs = []
    for page, slot in values.items():
        for sequence, head in reversed(heads.get(page, [])):
            if head == slot.value:
                proofs.append(
                    StoredProof(
                        lane=wanted.book.row,
                        page=page,
                        last=sequence,
                        head=head,
                        height=slot.height,
                        timestamp=slot.timestamp,
                        proof=slot.proof,
                    )
                )
                break
    return Proven(wanted.book.row, tuple(proofs))


def to_stored(book: LaneProgress, each: Link) -> StoredMessage:
    """A message that logs told of, as the journal keeps it."""
    sent = each.sent
    message: Message = sent.message
    return StoredMessage(
        lane=book.row,
        message=message,
        leaf=MessageId(sent.claimed_id),
        head=each.head,
        block_number=sent.block_number,
        block_hash=sent.block_hash,
        tx_hash=sent.tx_hash,
        log_index=min(sent.log_index, 2**31 - 1),
    )
