# SPDX-License-Identifier: MIT
"""What page heads prove of a lane's messages (INV-1), and which pages are asked for."""

from __future__ import annotations

from light_clients.client import Height, Timestamp
from relayer.chains.base import SentMessage
from relayer.consensus.base import ProvenSlot, VerifiedHeader
from relayer.journal.rows import LaneRow
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.proving import judge_heads, proofs_of, want_heads
from relayer.protocol.delivery import WaitingReason
from relayer.protocol.lane import heads_slot
from relayer.protocol.message import ZERO_HEAD
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
