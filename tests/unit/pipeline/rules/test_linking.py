# SPDX-License-Identifier: MIT
"""What a proven head says of logs (INV-1): links, what they prove, and what they leave unexplained."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from light_clients.client import Height
from relayer.chains.base import SentMessage, TxHash
from relayer.pipeline.rules.linking import count_proven, is_explained, link_messages
from relayer.protocol.lane import Lane
from relayer.protocol.message import ZERO_HEAD, EndpointId, Message, MessageId, Sequence, next_head

LANE = Lane(EndpointId(b"a" * 32), EndpointId(b"b" * 32))


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
    for message in messages:
        head = next_head(head, message.claimed_id)
        found.append(head)
    return found


def test_links_stop_at_a_gap_and_pass_over_what_is_known() -> None:
    messages = sent(6)
    assert [link.sequence for link in link_messages(ZERO_HEAD, 0, messages)] == [0, 1, 2, 3, 4, 5]
    assert [link.sequence for link in link_messages(b"x" * 32, 2, messages)] == [2, 3, 4, 5]
    assert [link.sequence for link in link_messages(ZERO_HEAD, 0, [*messages[:2], *messages[3:]])] == [0, 1]
    assert link_messages(ZERO_HEAD, 0, messages[1:]) == ()
    assert [link.sequence for link in link_messages(ZERO_HEAD, 0, [*messages, *messages])] == [
        0,
        1,
        2,
        3,
        4,
        5,
    ]


def test_the_proven_head_decides_how_many_links_are_true() -> None:
    messages = sent(300)
    links, values = link_messages(ZERO_HEAD, 0, messages), heads(messages)
    assert count_proven(links, {}) == 0
    assert count_proven(links, {1: values[299]}) == 300
    assert count_proven(links, {0: values[255]}) == 256
    assert count_proven(links, {0: values[255], 1: values[270]}) == 271
    assert count_proven(links, {0: b"?" * 32, 1: values[270]}) == 271
    # The value of another page proves nothing of this one.
    assert count_proven(links, {0: values[299]}) == 0


@given(st.integers(1, 40), st.data())
def test_nothing_invented_is_ever_among_the_proven(length: int, data: st.DataObject) -> None:
    """INV-1: whatever a provider adds, drops, repeats or changes, what is taken is a prefix of
    what was sent.
    """
    truth = sent(length)
    true_heads = heads(truth)
    told = (
        data.draw(st.lists(st.sampled_from(truth), max_size=length + 5))
        + truth[: data.draw(st.integers(0, length))]
    )
    lies = [
        replace(message, claimed_id=MessageId(b"lie".ljust(32)))
        for message in data.draw(st.lists(st.sampled_from(truth), max_size=3))
    ]
    told = data.draw(st.permutations(told + lies))
    links = link_messages(ZERO_HEAD, 0, told)
    count = count_proven(links, {0: true_heads[-1]})
    assert [link.sent.claimed_id for link in links[:count]] == [
        message.claimed_id for message in truth[:count]
    ]
    assert count in {0, length}


def test_a_tail_is_explained_by_its_head_or_by_an_empty_page() -> None:
    assert is_explained(3, b"h" * 32, 0, b"h" * 32)
    assert not is_explained(3, b"h" * 32, 0, b"x" * 32)
    assert is_explained(256, b"h" * 32, 1, bytes(32))
    assert not is_explained(256, b"h" * 32, 1, b"x" * 32)
    assert is_explained(0, ZERO_HEAD, 0, bytes(32))
