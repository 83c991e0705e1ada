# SPDX-License-Identifier: MIT
"""A lane in numbers: every message of its backlog is counted once, under the reason that it waits for."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from relayer.journal.rows import LaneRow, Micros, StoredWait
from relayer.pipeline.rules.lane import LaneProgress, PageState, Parked, indices, mask_of, trailing_ones
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import EndpointId, Message, MessageId, Sequence

LANE = Lane(EndpointId(b"a" * 32), EndpointId(b"b" * 32))
ROW = LaneRow(1)
R = WaitingReason


def make_page(count: int, *, number: int = 0, proven_at: int = 1_000) -> PageState:
    page = PageState(number, bytes(32))
    for index in range(count):
        sequence = Sequence((number << 8) + index)
        message = Message(LANE.id, sequence, bytes(32), bytes(32), 200_000, 0, 0, b"")
        page.add(message, message.id, bytes(32), Micros(proven_at + index))
    return page


def make_lane(*pages: PageState, proven: int, next_page: int, waiting: Waiting | None = None) -> LaneProgress:
    lane = LaneProgress(ROW, LANE, "court", "port", proven, bytes(32), 7, 0)
    lane.pages = {page.page: page for page in pages}
    lane.next_page = next_page
    lane.waiting = waiting
    return lane


def wait_for(index: int, reason: WaitingReason) -> StoredWait:
    return StoredWait(ROW, index, Waiting(reason), Micros(0), 1, Micros(0))


def test_each_message_counts_under_what_it_waits_for() -> None:
    """INV-10."""
    page = make_page(10)
    page.delivered, page.in_flight, page.seen, page.altered = 0b1, 0b110, 0b1000, 0b1_0000
    page.waits = {5: wait_for(5, R.RECIPIENT_REVERTS), 6: wait_for(6, R.FEE_POLICY)}
    counts = make_lane(page, proven=10, next_page=1).count()
    assert {reason: count for reason, count in counts.waiting.items() if count} == {
        R.INCLUSION: 2,
        R.FINALITY: 1,
        R.RPC_TROUBLE: 1,
        R.RECIPIENT_REVERTS: 1,
        R.FEE_POLICY: 1,
        R.BATCH: 3,
    }
    assert set(counts.waiting) == set(WaitingReason)
    assert (counts.proven, counts.backlog, counts.oldest_at) == (10, 9, 1_001)


def test_what_has_no_reason_of_its_own_waits_for_what_the_lane_waits_for() -> None:
    page = make_page(4)
    page.in_flight = 1
    paused = Waiting(R.PAUSED, "by its guardian")
    # 4 in memory, and 256 + 100 that were never loaded.
    counts = make_lane(page, proven=612, next_page=1, waiting=paused).count()
    assert counts.waiting[R.INCLUSION] == 1
    assert counts.waiting[R.PAUSED] == 3 + 356
    assert counts.backlog == 360


def test_parked_pages_keep_the_reasons_of_their_messages() -> None:
    lane = make_lane(proven=512, next_page=2)
    lane.parked = {1: Parked(Micros(9), {R.RECIPIENT_REVERTS: 5, R.FEE_POLICY: 2})}
    counts = lane.count()
    assert (counts.waiting[R.RECIPIENT_REVERTS], counts.waiting[R.FEE_POLICY], counts.backlog) == (5, 2, 7)
    assert counts.oldest_at is None


BITS = st.integers(min_value=0, max_value=(1 << 40) - 1)


@given(
    st.integers(min_value=0, max_value=40),
    st.tuples(BITS, BITS, BITS, BITS, BITS),
    st.dictionaries(st.integers(min_value=0, max_value=39), st.sampled_from(WaitingReason)),
    st.sampled_from(WaitingReason),
)
def test_no_message_is_counted_twice_or_forgotten(
    many: int,
    bits: tuple[int, int, int, int, int],
    waits: dict[int, WaitingReason],
    otherwise: WaitingReason,
) -> None:
    page = make_page(many)
    page.delivered, page.expired, page.in_flight, page.seen, page.altered = bits
    page.waits = {index: wait_for(index, reason) for index, reason in waits.items()}
    lane = make_lane(page, proven=many, next_page=1, waiting=Waiting(otherwise))
    counts = lane.count()
    assert sum(counts.waiting.values()) == counts.backlog == page.open.bit_count()
    assert min(counts.waiting.values()) >= 0


def test_a_message_whose_fields_do_not_hash_to_its_leaf_is_counted_as_trouble_with_providers() -> None:
    page = make_page(1)
    page.add(page.messages[0], MessageId(b"x" * 32), bytes(32), Micros(0))
    assert page.count_waiting(R.BATCH) == Counter({R.BATCH: 1, R.RPC_TROUBLE: 1})


@given(st.integers(0, (1 << 256) - 1))
def test_bits_and_places(bits: int) -> None:
    places = list(indices(bits))
    assert places == sorted(places)
    assert mask_of(places) == bits
    ones = trailing_ones(bits)
    assert bits & ((1 << ones) - 1) == (1 << ones) - 1
    assert not bits >> ones & 1
