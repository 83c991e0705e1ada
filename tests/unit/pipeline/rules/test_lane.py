# SPDX-License-Identifier: MIT
"""A lane and its pages: what may change in them, what may not, and that every message of the backlog is
counted once, under the reason that it waits for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.chains.base import SentMessage
from relayer.errors import IllegalTransition
from relayer.journal.rows import ALL_BITS, MICROS_PER_S, Micros, StoredPage
from relayer.pipeline.rules.instant import LONGEST_WAIT_US, Instant, Ticks
from relayer.pipeline.rules.page import PageState, indices, mask_of, trailing_ones
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.message import ZERO_HEAD, MessageId
from tests.unit.pipeline.rules.samples import (
    NOW,
    make_lane,
    make_message,
    make_page,
    make_proof,
    make_stored,
    make_wait,
    verdict,
)
from tests.unit.pipeline.rules.test_linking import sent

R = WaitingReason


def add_altered(page: PageState) -> None:
    page.add(make_message(page.first + len(page.messages)), MessageId(b"x" * 32), bytes(32), NOW)


def busy_page() -> PageState:
    """A page of eight: 0 delivered, 1 expired, 2 and 3 carried, 4 seen, 5 waits, 6 free, 7 altered."""
    page = make_page(7)
    page.apply(verdict(delivered=0b1, expired=0b10), NOW)
    page.carry(0b1100)
    page.see(0b1_0000, at=70)
    page.wait(make_wait(page.first + 5, R.RECIPIENT_REVERTS), NOW)
    add_altered(page)
    return page


# --- what may change ----------------------------------------------------------------------------------------


def test_what_is_known_of_a_busy_page() -> None:
    page = busy_page()
    assert (page.known, page.final, page.open) == (0xFF, 0b11, 0b1111_1100)
    assert (page.in_flight, page.seen, page.altered) == (0b1100, 0b1_0000, 0b1000_0000)
    assert page.free == 0b110_0000
    assert not page.is_settled


ILLEGAL: dict[str, Callable[[PageState], object]] = {
    "a batch carries what is delivered": lambda page: page.carry(0b1),
    "a batch carries what is expired": lambda page: page.carry(0b10),
    "a batch carries what another one carries": lambda page: page.carry(0b100),
    "a batch carries what was seen as delivered": lambda page: page.carry(0b1_0000),
    "a batch carries altered fields": lambda page: page.carry(0b1000_0000),
    "a batch carries what was never sent": lambda page: page.carry(1 << 8),
    "a delivered message expires": lambda page: page.apply(verdict(expired=0b1), NOW),
    "an expired message is delivered": lambda page: page.apply(verdict(delivered=0b10), NOW),
    "one message ends in two ways": lambda page: page.apply(verdict(delivered=4, expired=4), NOW),
    "a message is delivered that was never sent": lambda page: page.apply(verdict(delivered=1 << 8), NOW),
    "a message expires that was never sent": lambda page: page.apply(verdict(expired=1 << 200), NOW),
    "a delivered message waits": lambda page: page.wait(make_wait(page.first, R.FEE_POLICY), NOW),
    "a message waits that was never sent": lambda page: page.wait(make_wait(page.first + 8, R.BATCH), NOW),
    "a message of another page waits": lambda page: page.wait(make_wait(5, R.BATCH), NOW),
    "a message is left out": lambda page: page.add(make_message(page.first + 9), MessageId(b""), b"", NOW),
    "a message comes twice": lambda page: page.add(make_message(page.first + 7), MessageId(b""), b"", NOW),
    "a proof is of another page": lambda page: page.take_proof(make_proof(make_page(4, number=4), 3)),
    "a proof covers what was never sent": lambda page: page.take_proof(make_proof(make_page(9), 8)),
    "fields are restored that do not hash to the leaf": lambda page: page.restore(7, page.messages[7]),
}


@pytest.mark.parametrize("change", ILLEGAL.values(), ids=ILLEGAL)
def test_a_change_that_can_not_be_true_is_refused(change: Callable[[PageState], object]) -> None:
    """INV-2, INV-3, INV-6."""
    page, untouched = busy_page(), busy_page()
    with pytest.raises(IllegalTransition, match="expected"):
        change(page)
    assert page == untouched


def test_a_page_holds_no_more_than_its_messages() -> None:
    page = make_page(256)
    with pytest.raises(IllegalTransition):
        page.add(make_message(page.first + 256), MessageId(b""), b"", NOW)


def test_a_message_is_given_back_and_can_be_carried_again() -> None:
    page = make_page(4)
    page.carry(0b111)
    page.give_back(0b011)
    assert (page.in_flight, page.free) == (0b100, 0b1011)
    page.carry(0b1011)
    assert page.in_flight == 0b1111


def test_a_page_stays_until_the_transactions_with_its_messages_are_settled() -> None:
    page = make_page(256)
    page.carry(0b1)
    page.apply(verdict(delivered=ALL_BITS), NOW)
    assert (page.in_flight, page.is_settled) == (0, False)
    page.give_back(0b1)
    assert page.is_settled


def test_what_providers_show_is_news_once() -> None:
    page = busy_page()
    assert page.see(0b0111_0011, at=60) == 0b110_0000
    assert (page.seen, page.seen_at) == (0b111_0000, 70)
    assert page.see(0b0111_0011, at=80) == 0
    assert page.seen_at == 80


def test_a_verdict_ends_messages_and_lets_others_go_on() -> None:
    page = busy_page()
    page.see(0b100_0000, at=70)
    wait = make_wait(page.first + 2, R.RECIPIENT_REVERTS)
    page.apply(verdict(delivered=0b1_0000, expired=0b10_0000, unseen=0b100_0000, failed=(wait,)), NOW)
    assert (page.delivered, page.expired, page.seen) == (0b1_0001, 0b10_0010, 0)
    assert list(page.waits) == [2]
    assert page.height == 70
    # A second time, as after a commit that memory missed, it changes nothing.
    page.apply(verdict(delivered=0b1_0000, expired=0b10_0000, height=60), NOW)
    assert (page.delivered, page.expired, page.height) == (0b1_0001, 0b10_0010, 70)


def test_a_restored_message_waits_no_more() -> None:
    page = make_page(2)
    good = make_message(page.first + 2, payload=b"good")
    page.add(make_message(page.first + 2, payload=b"bad"), good.id, bytes(32), NOW)
    page.wait(make_wait(page.first + 2, R.RPC_TROUBLE), NOW)
    assert page.free == 0b011
    page.restore(2, good)
    assert (page.free, page.waits, page.messages[2]) == (0b111, {}, good)


def test_a_newer_proof_takes_the_place_of_one_that_is_doubted() -> None:
    page = make_page(4)
    page.doubt_proof()
    assert page.proof_is_stale
    page.take_proof(make_proof(page, 3, height=91))
    assert page.proof is not None
    assert (page.proof.height, page.proof_is_stale) == (91, False)


# --- waits and pauses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong_us", [-LONGEST_WAIT_US, 0, LONGEST_WAIT_US])
def test_a_wait_lasts_as_long_wherever_the_clock_is_set_meanwhile(wrong_us: int) -> None:
    page = make_page(1)
    page.wait(make_wait(page.first, R.RECIPIENT_REVERTS, not_before=NOW.wall + 15), NOW)
    assert page.ready(NOW.after(14), 0) == 0
    assert page.ready(NOW.after(15), 0) == 1
    # What an earlier process stored by another clock is waited for no longer than any message waits.
    stored = make_wait(page.first, R.RECIPIENT_REVERTS, not_before=NOW.wall + 15 + 2 * wrong_us)
    page.wait(stored, NOW)
    assert page.ready(NOW.after(max(0, min(15 + 2 * wrong_us, LONGEST_WAIT_US))), 0) == 1


def test_pauses_of_a_page_double_and_end_with_a_batch_that_is_sent() -> None:
    page = make_page(4)
    pauses = [page.hold_back(Waiting(R.RPC_TROUBLE), NOW.ticks, is_refusal=False) for _ in range(9)]
    assert pauses[:4] == [0.5, 1, 2, 4]
    assert pauses[-1] == 60
    assert page.ready(NOW.after(60 * MICROS_PER_S - 1), 0) == 0
    assert page.waits_until(NOW.ticks) == NOW.after(60 * MICROS_PER_S)
    assert page.ready(NOW.after(60 * MICROS_PER_S), 0) == 0b1111
    page.let_go()
    assert page.hold_back(Waiting(R.RPC_TROUBLE), NOW.ticks, is_refusal=False) == 0.5


def test_recovery_ends_the_pauses_that_came_of_the_destination_alone() -> None:
    down, refused, fine = (make_page(1, number=number) for number in range(3))
    lane = make_lane(down, refused, fine, proven=3 << 8, next_page=3)
    down.hold_back(Waiting(R.RPC_TROUBLE, "down"), NOW.ticks, is_refusal=False)
    refused.hold_back(Waiting(R.CLIENT_UPDATE, "no"), NOW.ticks, is_refusal=True)
    assert lane.held_for() == Waiting(R.RPC_TROUBLE, "page 0: down")
    lane.recover()
    assert (down.ready(NOW.ticks, 0), refused.ready(NOW.ticks, 0)) == (1, 0)
    assert lane.held_for() == Waiting(R.CLIENT_UPDATE, "page 1: no")


def test_a_lane_that_is_held_back_as_a_whole_says_it_as_it_is() -> None:
    page = make_page(1)
    lane = make_lane(page, proven=(3 << 8) + 1, next_page=4)
    assert lane.held_for() is None
    page.hold_back(Waiting(R.FUNDS, "empty"), NOW.ticks, is_refusal=False)
    assert lane.held_for() == Waiting(R.FUNDS, "empty")


# --- the lane -----------------------------------------------------------------------------------------------


def test_proven_messages_begin_pages_while_there_is_room() -> None:
    lane = make_lane(proven=254, next_page=1)
    head, stored = ZERO_HEAD, []
    for sequence in range(254, 600):
        stored.append(make_stored(sequence, head, block=sequence))
        head = stored[-1].head
    for told in sent(700):
        lane.observe(told)
    lane.prove(stored, NOW, window=1)
    assert (lane.proven, lane.proven_head, lane.proven_block) == (600, head, 599)
    # Page 0 is in the journal, page 1 in memory, and for page 2 there was no room.
    assert (list(lane.pages), len(lane.pages[1].messages), lane.next_page) == ([1], 256, 2)
    assert lane.pages[1].start_head == stored[1].head
    assert [told.message.sequence for told in lane.candidates] == list(range(600, 700))


def test_proven_messages_follow_on_from_the_proven_ones() -> None:
    lane = make_lane(proven=4, next_page=1)
    with pytest.raises(IllegalTransition):
        lane.prove([make_stored(5, ZERO_HEAD)], NOW, window=64)


def test_logs_that_were_read_again_replace_what_was_told_of_their_blocks() -> None:
    lane = make_lane(proven=0, next_page=0)
    early, late = sent(2, block=10), sent(1, first=2, block=20)
    for told in [*early, *late]:
        lane.observe(told)
    again: list[SentMessage] = sent(1, block=11)
    lane.replace_candidates(again, 15)
    assert lane.candidates == [*again, *late]


def test_a_page_is_audited_until_a_header_is_new_enough() -> None:
    page = make_page(4)
    lane = make_lane(page, proven=(3 << 8) + 4, next_page=4)
    assert lane.audits == {3}
    page.see(0b1, at=75)
    lane.apply(verdict(height=74), NOW)
    assert lane.audits == {3}
    lane.apply(verdict(delivered=0b1, height=75), NOW)
    assert (lane.audits, page.delivered) == (set(), 0b1)
    # A page that left memory meanwhile is judged once it is back.
    lane.apply(verdict(page=9, delivered=0b1), NOW)
    lane.give_back(9, 0b1)


def test_settled_pages_leave_memory_and_the_cursor_never_goes_back() -> None:
    first, second = make_page(256, number=0), make_page(256, number=1)
    lane = make_lane(first, second, proven=512, next_page=2)
    lane.apply(verdict(page=0, delivered=ALL_BITS), NOW)
    lane.apply(verdict(page=1, delivered=0b1011), NOW)
    assert (lane.settle(), list(lane.pages)) == (258, [1])
    lane.load(make_page(256, number=0))
    assert lane.settle() == 258


def test_a_page_that_only_waits_leaves_memory_and_comes_back_with_the_rest_of_its_waits() -> None:
    page = make_page(256, number=0)
    page.apply(verdict(page=0, delivered=ALL_BITS & ~0b11), NOW)
    lane = make_lane(page, proven=256, next_page=1)
    lane.apply(verdict(page=0), NOW)
    minute = 60 * MICROS_PER_S
    for index in range(2):
        page.wait(make_wait(index, R.RECIPIENT_REVERTS, not_before=NOW.wall + (1 + index) * minute), NOW)
    lane.rest(NOW.ticks)
    assert (lane.pages, lane.backlog(), lane.due_pages(NOW.after(minute - 1))) == ({}, 2, [])
    assert lane.count().waiting[R.RECIPIENT_REVERTS] == 2
    assert lane.due_pages(NOW.after(minute)) == [0]
    # The wall's clock was set back by a day meanwhile.
    later = Instant(Micros(NOW.wall - 86_400 * MICROS_PER_S), NOW.after(minute))
    loaded = make_page(256, number=0)
    loaded.apply(verdict(page=0, delivered=ALL_BITS & ~0b11), later)
    for index, wait in page.waits.items():
        loaded.wait(wait.stored, later)
        assert loaded.waits[index].until == later.after(LONGEST_WAIT_US)
    lane.load(loaded)
    assert loaded.ready(later.ticks, 0) == 0b01
    assert loaded.ready(later.after(minute), 0) == 0b11
    assert lane.parked == {}


@pytest.mark.parametrize("busy", ["carried", "seen", "audited", "one does not wait", "not full"])
def test_a_page_with_anything_else_to_do_stays(busy: str) -> None:
    page = make_page(255 if busy == "not full" else 256, number=0)
    page.apply(verdict(page=0, delivered=page.known & ~0b111), NOW)
    lane = make_lane(page, proven=256, next_page=1)
    lane.apply(verdict(page=0), NOW)
    for index in range(2 if busy == "one does not wait" else 3):
        page.wait(make_wait(index, R.FEE_POLICY, not_before=NOW.wall + 60 * MICROS_PER_S), NOW)
    if busy == "carried":
        page.carry(0b1)
    elif busy == "seen":
        page.see(0b1, at=9)
    elif busy == "audited":
        lane.audit(0)
    lane.rest(NOW.ticks)
    assert list(lane.pages) == [0]


def test_a_page_is_loaded_as_the_journal_has_it() -> None:
    head, stored = b"p" * 32, []
    for sequence in range(3 << 8, (3 << 8) + 4):
        stored.append(make_stored(sequence, head))
        head = stored[-1].head
    first = stored[0].message.sequence
    waits = [make_wait(first, R.RECIPIENT_REVERTS), make_wait(first + 2, R.RECIPIENT_REVERTS)]
    proof = make_proof(make_page(4), 3)
    settled = StoredPage(stored[0].lane, 3, 0b1, 0b10, 60)
    page = PageState.load(3, b"p" * 32, stored, proof, settled, waits, 0b1001, NOW)
    assert (page.delivered, page.expired, page.height, page.proof) == (0b1, 0b10, 60, proof)
    assert (page.carried, page.in_flight) == (0b1001, 0b1000)
    assert list(page.waits) == [2]
    # A commit that memory has not taken over yet may have proven more than is counted.
    fewer = PageState.load(3, b"p" * 32, stored[:3], proof, None, (), 0, NOW)
    assert fewer.proof is None
    with pytest.raises(IllegalTransition):
        PageState.load(3, b"p" * 32, stored, proof, None, (), 0b1_0000, NOW)


# --- every message waits for something (INV-10) -------------------------------------------------------------


def test_each_message_counts_under_what_it_waits_for() -> None:
    page = busy_page()
    page.wait(make_wait(page.first + 6, R.FEE_POLICY), NOW)
    page.add(make_message(page.first + 8), make_message(page.first + 8).id, bytes(32), NOW)
    counts = make_lane(page, proven=(3 << 8) + 9, next_page=4).count()
    assert {reason: count for reason, count in counts.waiting.items() if count} == {
        R.INCLUSION: 2,
        R.FINALITY: 1,
        R.RPC_TROUBLE: 1,
        R.RECIPIENT_REVERTS: 1,
        R.FEE_POLICY: 1,
        R.BATCH: 1,
    }
    assert set(counts.waiting) == set(WaitingReason)
    assert (counts.proven, counts.backlog, counts.oldest_at) == ((3 << 8) + 9, 7, NOW.wall)


def test_what_is_in_flight_waits_for_what_its_transaction_waits_for() -> None:
    page = make_page(6)
    page.carry(0b1111)
    page.apply(verdict(delivered=0b1), NOW)
    lane = make_lane(page, proven=(3 << 8) + 6, next_page=4)
    # The mask of a transaction may have messages that are final meanwhile.
    counts = lane.count({3: [(0b0011, R.FUNDS), (0b0100, R.FINALITY)]}).waiting
    assert (counts[R.FUNDS], counts[R.FINALITY], counts[R.INCLUSION], counts[R.BATCH]) == (1, 1, 1, 2)


def test_what_has_no_reason_of_its_own_waits_for_what_its_page_or_its_lane_waits_for() -> None:
    page = make_page(4, number=0)
    page.carry(1)
    paused = Waiting(R.PAUSED, "by its guardian")
    # 4 in memory, and 256 + 100 that were never loaded.
    lane = make_lane(page, proven=612, next_page=1, waiting=paused)
    counts = lane.count()
    assert counts.waiting[R.INCLUSION] == 1
    assert counts.waiting[R.PAUSED] == 3 + 356
    assert counts.backlog == 360
    page.hold_back(Waiting(R.FUNDS), NOW.ticks, is_refusal=False)
    assert (lane.count().waiting[R.FUNDS], lane.count().waiting[R.PAUSED]) == (3, 356)


BITS = st.integers(min_value=0, max_value=(1 << 40) - 1)


@given(
    st.integers(min_value=1, max_value=40),
    st.tuples(BITS, BITS, BITS, BITS),
    st.dictionaries(st.integers(min_value=0, max_value=39), st.sampled_from(WaitingReason)),
    st.sampled_from(WaitingReason),
    st.lists(st.tuples(BITS, st.sampled_from(WaitingReason)), max_size=3),
)
def test_no_message_is_counted_twice_or_forgotten(
    many: int,
    bits: tuple[int, int, int, int],
    waits: dict[int, WaitingReason],
    otherwise: WaitingReason,
    told: list[tuple[int, WaitingReason]],
) -> None:
    page = make_page(many)
    delivered, expired, carried, seen = (mask & page.known for mask in bits)
    page.carry(carried)
    page.see(seen, at=1)
    page.apply(verdict(delivered=delivered, expired=expired & ~delivered), NOW)
    for index, reason in waits.items():
        if page.open >> index & 1:
            page.wait(make_wait(page.first + index, reason), NOW)
    lane = make_lane(page, proven=page.first + many, next_page=4, waiting=Waiting(otherwise))
    counts = lane.count({3: told})
    assert sum(counts.waiting.values()) == counts.backlog == page.open.bit_count()
    assert min(counts.waiting.values()) >= 0


def test_a_message_whose_fields_do_not_hash_to_its_leaf_is_counted_as_trouble_with_providers() -> None:
    page = make_page(1)
    add_altered(page)
    assert page.count_waiting(R.BATCH) == Counter({R.BATCH: 1, R.RPC_TROUBLE: 1})


def test_a_time_of_the_wall_is_waited_for_no_longer_than_any_message_waits() -> None:
    assert NOW.until(NOW.wall) == NOW.ticks
    assert NOW.until(Micros(NOW.wall - 1)) == NOW.ticks
    assert NOW.until(Micros(NOW.wall + 10)) == NOW.after(10)
    assert NOW.until(Micros(NOW.wall + 100 * LONGEST_WAIT_US)) == Ticks(NOW.ticks + LONGEST_WAIT_US)


@given(st.integers(0, (1 << 256) - 1))
def test_bits_and_places(bits: int) -> None:
    places = list(indices(bits))
    assert places == sorted(places)
    assert mask_of(places) == bits
    ones = trailing_ones(bits)
    assert bits & ((1 << ones) - 1) == (1 << ones) - 1
    assert not bits >> ones & 1


def test_the_name_of_a_lane() -> None:
    assert make_lane(proven=0, next_page=0).name == "court>port"
