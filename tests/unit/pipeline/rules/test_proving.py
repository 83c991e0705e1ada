# SPDX-License-Identifier: MIT
"""What page heads prove of a lane's messages (INV-1), and which pages are asked for."""

from __future__ import annotations

from light_clients.client import Height, Timestamp
from relayer.chains.base import SentMessage
from relayer.consensus.base import ProvenSlot, VerifiedHeader
from relayer.journal.rows import LaneRow
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.page import PageState
from relayer.pipeline.rules.proving import (
    IncomingAsk,
    OutgoingAsk,
    choose_slots,
    judge_heads,
    proofs_of,
    want_bitmaps,
    want_heads,
)
from relayer.protocol.delivery import WaitingReason
from relayer.protocol.lane import heads_slot
from relayer.protocol.message import ZERO_HEAD
from tests.unit.pipeline.rules.samples import NOW, make_lane, make_page, make_proof, verdict
from tests.unit.pipeline.rules.test_linking import LANE, heads, sent

HEADER = VerifiedHeader(Height(50), b"h" * 32, Timestamp(1_000), b"r" * 32)


def lane_with(candidates: list[SentMessage], *, proven: int = 0, head: bytes = ZERO_HEAD) -> LaneProgress:
    return LaneProgress(LaneRow(1), LANE, "a", "b", proven, head, 0, 0, candidates=candidates)


def slot(page: int, value: bytes) -> ProvenSlot:
    return ProvenSlot(heads_slot(LANE.id, page), value, Height(50), Timestamp(1_000), b"proof")


def test_messages_over_two_pages_are_verified_and_each_page_gets_its_proof() -> None:
    messages = sent(300)
    values = heads(messages)
    wanted = want_heads(lane_with(messages), 50, audit=False, oldest_height=0, room=10)
    assert wanted.pages == (0, 1)
    proven = {0: slot(0, values[255]), 1: slot(1, values[299])}
    verified = judge_heads(wanted, proven, HEADER, caught_up=True)
    assert (len(verified.messages), verified.hearsay, verified.waiting) == (300, (), None)
    assert [stored.head for stored in verified.messages] == values
    proofs = proofs_of(wanted, proven, verified).proofs
    assert [(proof.page, proof.last, proof.head) for proof in proofs] == [
        (0, 255, values[255]),
        (1, 299, values[299]),
    ]


def test_what_leads_to_no_proven_head_is_hearsay_with_a_reason() -> None:
    messages = sent(5)
    wanted = want_heads(lane_with(messages[:4]), 50, audit=False, oldest_height=0, room=10)
    proven = {0: slot(0, heads(messages)[-1])}
    verified = judge_heads(wanted, proven, HEADER, caught_up=True)
    assert verified.messages == ()
    assert len(verified.hearsay) == 4
    assert verified.waiting is not None
    assert verified.waiting.reason is WaitingReason.RPC_TROUBLE
    # Before the logs were read to the header, it is too early to say.
    assert judge_heads(wanted, proven, HEADER, caught_up=False).waiting is None


def test_invented_messages_behind_true_ones_do_not_take_them_along() -> None:
    messages = sent(5)
    wanted = want_heads(lane_with(messages), 50, audit=False, oldest_height=0, room=10)
    verified = judge_heads(wanted, {0: slot(0, heads(messages)[2])}, HEADER, caught_up=True)
    assert len(verified.messages) == 3
    assert len(verified.hearsay) == 2
    assert verified.waiting is not None


def test_messages_of_later_blocks_are_left_for_later_headers() -> None:
    early, late = sent(2), sent(2, first=2, block=51)
    wanted = want_heads(lane_with([*early, *late]), 50, audit=False, oldest_height=0, room=10)
    verified = judge_heads(wanted, {0: slot(0, heads(early)[-1])}, HEADER, caught_up=True)
    assert (len(verified.messages), verified.waiting) == (2, None)


def test_a_quiet_lane_is_asked_about_only_in_an_audit() -> None:
    assert want_heads(lane_with([]), 50, audit=False, oldest_height=0, room=10).pages == ()
    audit = want_heads(lane_with([], proven=256, head=b"h" * 32), 50, audit=True, oldest_height=0, room=10)
    assert audit.pages == (1,)
    assert judge_heads(audit, {1: slot(1, bytes(32))}, HEADER, caught_up=True).waiting is None
    assert judge_heads(audit, {1: slot(1, b"x" * 32)}, HEADER, caught_up=True).waiting is not None


def test_more_pages_than_fit_one_proof_are_no_sign_of_trouble() -> None:
    messages = sent(1_000)
    values = heads(messages)
    wanted = want_heads(lane_with(messages), 50, audit=False, oldest_height=0, room=2)
    assert wanted.pages == (0, 1)
    proven = {0: slot(0, values[255]), 1: slot(1, values[511])}
    verified = judge_heads(wanted, proven, HEADER, caught_up=True)
    assert (len(verified.messages), verified.waiting) == (512, None)


# --- which slots to ask for ---------------------------------------------------------------------------------


def idle_page(number: int, count: int = 4, *, deadline: int = 0) -> PageState:
    """A page in memory that nothing asks for: its proof serves, and its bitmap was judged."""
    return make_page(count, number=number, deadline=deadline)


def idle_lane(*pages: PageState) -> LaneProgress:
    lane = make_lane(*pages, proven=(max(page.page for page in pages) + 1) << 8, next_page=99)
    for page in pages:
        lane.apply(verdict(page=page.page), NOW)
    return lane


def bitmaps(lane: LaneProgress, *included: int, audit: bool = False) -> tuple[int, ...]:
    return want_bitmaps(IncomingAsk(lane, frozenset(included), audit), 50, 1_000, room=10).pages


def test_bitmaps_are_asked_for_where_there_may_be_news() -> None:
    lane = idle_lane(idle_page(1), idle_page(2), idle_page(3))
    assert bitmaps(lane) == ()
    # A transaction of ours is in a block; a page that is out of memory is judged later.
    assert bitmaps(lane, 2, 7) == (2,)
    # Somebody else may have delivered any open message.
    lane.apply(verdict(page=3, delivered=0b1111), NOW)
    assert bitmaps(lane, audit=True) == (1, 2)


def test_what_a_provider_showed_is_asked_for_once_a_header_is_new_enough() -> None:
    early, late = idle_page(1), idle_page(2)
    lane = idle_lane(early, late)
    early.see(0b1, at=50)
    late.see(0b1, at=51)
    lane.audit(1)
    lane.audit(2)
    assert bitmaps(lane) == (1,)


def test_a_page_with_a_message_past_its_deadline_is_asked_for() -> None:
    assert bitmaps(idle_lane(idle_page(1, deadline=1_000), idle_page(2, deadline=999))) == (2,)
    over = idle_page(1, deadline=999)
    lane = idle_lane(over)
    lane.apply(verdict(page=1, expired=0b1111), NOW)
    assert bitmaps(lane) == ()


def test_incoming_lanes_leave_outgoing_ones_their_half() -> None:
    incoming = [
        IncomingAsk(idle_lane(*(idle_page(number, 1) for number in range(64))), frozenset(), audit=True)
        for _ in range(3)
    ]
    outgoing = [OutgoingAsk(lane_with(sent(4 * 256)), audit=False, oldest_height=0) for _ in range(4)]
    chosen = choose_slots(outgoing, incoming, HEADER)
    assert [len(wanted.pages) for wanted in chosen.bitmaps] == [48, 24, 12]
    assert [len(wanted.pages) for wanted in chosen.heads] == [4, 4, 4]
    # All lanes of this test are one, and a slot is asked for once.
    assert len(chosen.slots()) == 48 + 4
    quiet = [OutgoingAsk(lane_with([]), audit=False, oldest_height=0)]
    assert choose_slots(quiet, [], HEADER).heads == ()


def test_a_page_is_proven_anew_where_its_proof_no_longer_serves() -> None:
    doubted, old, carried, fine = (idle_page(number) for number in range(4))
    doubted.doubt_proof()
    carried.doubt_proof()
    # Its messages have their proof in their transaction.
    carried.carry(0b1111)
    lane = idle_lane(doubted, old, carried, fine)
    for page in (old, fine):
        page.take_proof(make_proof(page, 3, height=60 if page is old else 90))
    wanted = want_heads(lane, 50, audit=False, oldest_height=61, room=10)
    assert wanted.pages == (0, 1)
    assert want_heads(lane, 50, audit=False, oldest_height=0, room=10).pages == (0,)
