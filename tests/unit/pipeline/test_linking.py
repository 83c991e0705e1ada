# SPDX-License-Identifier: MIT
"""What a proven head says of logs (INV-1): links, what they prove, and what they leave unexplained."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from light_clients.client import Height, Timestamp
from relayer.chains.base import SentMessage, TxHash
from relayer.consensus.base import ProvenSlot, VerifiedHeader
from relayer.journal.rows import LaneRow
from relayer.pipeline.lane_state import LaneProgress
from relayer.pipeline.linking import count_proven, is_explained, link
from relayer.pipeline.prove import judge_heads, proofs_of, want_heads
from relayer.protocol.delivery import WaitingReason
from relayer.protocol.lane import Lane, heads_slot
from relayer.protocol.message import ZERO_HEAD, EndpointId, Message, MessageId, Sequence, next_head

LANE = Lane(EndpointId(b"a" * 32), EndpointId(b"b" * 32))
HEADER = VerifiedHeader(Height(50), b"h" * 32, Timestamp(1_000), b"r" * 32)


def sent(count: int, *, first: int = 0, block: int = 10) -> list[SentMessage]:
    made = []
    for sequence in range(first, first + count):
        message = Message(
            LANE.id, Sequence(sequence), b"s" * 32, b"r" * 32, 100_000, 0, 0, sequence.to_bytes(8)
        )
        made.append(
            SentMessage(message, message.id, Height(block), b"b" * 32, TxHash(b"t" * 32), sequence - first)
        )
    return made


def heads(messages: list[SentMessage], head: bytes = ZERO_HEAD) -> list[bytes]:
    found = []
    for each in messages:
        head = next_head(head, each.claimed_id)
        found.append(head)
    return found


def book(candidates: list[SentMessage], *, proven: int = 0, head: bytes = ZERO_HEAD) -> LaneProgress:
    return LaneProgress(LaneRow(1), LANE, "a", "b", proven, head, 0, 0, candidates=candidates)


def slot(page: int, value: bytes) -> ProvenSlot:
    return ProvenSlot(heads_slot(LANE.id, page), value, Height(50), Timestamp(1_000), b"proof")


def test_links_stop_at_a_gap_and_pass_over_what_is_known() -> None:
    messages = sent(6)
    assert [each.sequence for each in link(ZERO_HEAD, 0, messages)] == [0, 1, 2, 3, 4, 5]
    assert [each.sequence for each in link(b"x" * 32, 2, messages)] == [2, 3, 4, 5]
    assert [each.sequence for each in link(ZERO_HEAD, 0, [*messages[:2], *messages[3:]])] == [0, 1]
    assert link(ZERO_HEAD, 0, messages[1:]) == ()
    assert [each.sequence for each in link(ZERO_HEAD, 0, [*messages, *messages])] == [0, 1, 2, 3, 4, 5]


def test_the_proven_head_decides_how_many_links_are_true() -> None:
    messages = sent(300)
    links, values = link(ZERO_HEAD, 0, messages), heads(messages)
    assert count_proven(links, {}) == 0
    assert count_proven(links, {1: values[299]}) == 300
    assert count_proven(links, {0: values[255]}) == 256
    assert count_proven(links, {0: values[255], 1: values[270]}) == 271
    assert count_proven(links, {0: b"?" * 32, 1: values[270]}) == 271
    # The value of another page proves nothing of this one.
    assert count_proven(links, {0: values[299]}) == 0


@given(st.integers(1, 40), st.data())
def test_nothing_invented_is_ever_among_the_proven(length: int, data: st.DataObject) -> None:
    """INV-1: whatever a provider adds, drops, repeats or changes, what is taken is a prefix of what was sent."""
    truth = sent(length)
    true_heads = heads(truth)
    told = (
        data.draw(st.lists(st.sampled_from(truth), max_size=length + 5))
        + truth[: data.draw(st.integers(0, length))]
    )
    lies = [
        replace(each, claimed_id=MessageId(b"lie".ljust(32)))
        for each in data.draw(st.lists(st.sampled_from(truth), max_size=3))
    ]
    told = data.draw(st.permutations(told + lies))
    links = link(ZERO_HEAD, 0, told)
    count = count_proven(links, {0: true_heads[-1]})
    assert [each.sent.claimed_id for each in links[:count]] == [each.claimed_id for each in truth[:count]]
    assert count in {0, length}


def test_a_tail_is_explained_by_its_head_or_by_an_empty_page() -> None:
    assert is_explained(3, b"h" * 32, 0, b"h" * 32)
    assert not is_explained(3, b"h" * 32, 0, b"x" * 32)
    assert is_explained(256, b"h" * 32, 1, bytes(32))
    assert not is_explained(256, b"h" * 32, 1, b"x" * 32)
    assert is_explained(0, ZERO_HEAD, 0, bytes(32))


def test_messages_over_two_pages_are_verified_and_each_page_gets_its_proof() -> None:
    messages = sent(300)
    values = heads(messages)
    wanted = want_heads(book(messages), 50, audit=False, oldest_height=0, room=10)
    assert wanted.pages == (0, 1)
    proven = {0: slot(0, values[255]), 1: slot(1, values[299])}
    verified = judge_heads(wanted, proven, HEADER, caught_up=True)
    assert (len(verified.messages), verified.hearsay, verified.waiting) == (300, (), None)
    assert [each.head for each in verified.messages] == values
    proofs = proofs_of(wanted, proven, verified).proofs
    assert [(each.page, each.last, each.head) for each in proofs] == [
        (0, 255, values[255]),
        (1, 299, values[299]),
    ]


def test_what_leads_to_no_proven_head_is_hearsay_with_a_reason() -> None:
    messages = sent(5)
    wanted = want_heads(book(messages[:4]), 50, audit=False, oldest_height=0, room=10)
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
    wanted = want_heads(book(messages), 50, audit=False, oldest_height=0, room=10)
    verified = judge_heads(wanted, {0: slot(0, heads(messages)[2])}, HEADER, caught_up=True)
    assert len(verified.messages) == 3
    assert len(verified.hearsay) == 2
    assert verified.waiting is not None


def test_messages_of_later_blocks_are_left_for_later_headers() -> None:
    early, late = sent(2), sent(2, first=2, block=51)
    wanted = want_heads(book([*early, *late]), 50, audit=False, oldest_height=0, room=10)
    verified = judge_heads(wanted, {0: slot(0, heads(early)[-1])}, HEADER, caught_up=True)
    assert (len(verified.messages), verified.waiting) == (2, None)


def test_a_quiet_lane_is_asked_about_only_in_an_audit() -> None:
    assert want_heads(book([]), 50, audit=False, oldest_height=0, room=10).pages == ()
    audit = want_heads(book([], proven=256, head=b"h" * 32), 50, audit=True, oldest_height=0, room=10)
    assert audit.pages == (1,)
    assert judge_heads(audit, {1: slot(1, bytes(32))}, HEADER, caught_up=True).waiting is None
    assert judge_heads(audit, {1: slot(1, b"x" * 32)}, HEADER, caught_up=True).waiting is not None


def test_more_pages_than_fit_one_proof_are_no_sign_of_trouble() -> None:
    messages = sent(1_000)
    values = heads(messages)
    wanted = want_heads(book(messages), 50, audit=False, oldest_height=0, room=2)
    assert wanted.pages == (0, 1)
    proven = {0: slot(0, values[255]), 1: slot(1, values[511])}
    verified = judge_heads(wanted, proven, HEADER, caught_up=True)
    assert (len(verified.messages), verified.waiting) == (512, None)
