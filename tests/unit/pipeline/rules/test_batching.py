# SPDX-License-Identifier: MIT
"""Which messages go into which transaction, and that the batch made of them leads to the proven head."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relayer.pipeline.rules.batching import (
    BatchLimits,
    BatchPlan,
    BatchPlans,
    full_messages,
    halve,
    make_batch,
    make_plans,
)
from relayer.pipeline.rules.gas import MOST_TRANSACTION_GAS, GasModel
from relayer.pipeline.rules.page import FIRST_PAUSE_US, PageState
from relayer.protocol.batch import decode_batch, encode_batch
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.message import Message, MessageId
from tests.unit.pipeline.rules.samples import (
    BEGINNING,
    LANE,
    NOW,
    make_message,
    make_page,
    make_proof,
    make_wait,
    verdict,
)

LIMITS = BatchLimits(MOST_TRANSACTION_GAS, most_bytes=96 * 1024, most_messages=256, max_wait_us=1_000_000)


def make(page: PageState, limits: BatchLimits = LIMITS, after_us: int = 0, oldest: int = 0) -> BatchPlans:
    return make_plans([page], GasModel(150_000), limits, NOW.after(after_us), 1_000, oldest)


def plans(page: PageState, limits: BatchLimits = LIMITS, after_us: int = 0, oldest: int = 0) -> list[int]:
    return [plan.mask for plan in make(page, limits, after_us, oldest).now]


def test_what_could_have_company_waits_and_says_until_when() -> None:
    page = make_page(3)
    made = make(page)
    assert made.now == ()
    assert made.look_again == NOW.after(1_000_000)
    assert plans(page, after_us=1_000_000) == [0b111]


def test_enough_messages_to_share_the_base_wait_for_nobody() -> None:
    assert plans(make_page(100)) == [(1 << 100) - 1]
    assert plans(make_page(256)) == [(1 << 256) - 1]


def test_batches_hold_no_more_messages_and_no_more_gas_than_allowed() -> None:
    few = BatchLimits(MOST_TRANSACTION_GAS, 1_000, 100, 0)
    assert [mask.bit_count() for mask in plans(make_page(256), few)] == [100, 100, 56]
    model = GasModel(150_000)
    tight = BatchLimits(model.expect(10, 40, largest_gas_limit=200_000), 1_000, 256, 0)
    assert [mask.bit_count() for mask in plans(make_page(25), tight)] == [10, 10, 5]


def test_batches_hold_no_more_bytes_than_nodes_take() -> None:
    assert [
        mask.bit_count() for mask in plans(make_page(25), BatchLimits(MOST_TRANSACTION_GAS, 40, 256, 0))
    ] == [
        10,
        10,
        5,
    ]
    # One that is too large by itself still goes, alone: the simulation decides.
    assert [
        mask.bit_count() for mask in plans(make_page(2), BatchLimits(MOST_TRANSACTION_GAS, 3, 256, 0))
    ] == [
        1,
        1,
    ]


def test_only_what_is_ready_is_planned() -> None:
    page = make_page(10)
    page.apply(verdict(delivered=1, expired=2), NOW)
    page.carry(4)
    page.see(8, at=70)
    page.add(make_message(page.first + 10), MessageId(b"x" * 32), b"h" * 32, NOW)
    page.take_proof(make_proof(page, 10))
    assert plans(page, after_us=10**6) == [0b1111110000]
    assert plans(make_page(4, deadline=999), after_us=10**6) == []
    assert plans(make_page(4, deadline=1_000), after_us=10**6) == [0b1111]


def test_a_stale_absent_or_old_proof_plans_nothing() -> None:
    page = make_page(4, proven_at=BEGINNING)
    assert plans(page) == [0b1111]
    assert plans(page, oldest=91) == []
    page.doubt_proof()
    assert plans(page) == []
    assert plans(make_page(4, proven_at=BEGINNING, proof=False)) == []


def test_messages_beyond_the_proof_wait_for_the_next_one() -> None:
    page = make_page(4, proven_at=BEGINNING)
    page.take_proof(make_proof(page, 1))
    assert plans(page) == [0b11]


def test_a_message_that_was_refused_goes_alone_when_its_time_has_come() -> None:
    page = make_page(4, proven_at=BEGINNING)
    page.wait(make_wait(page.first + 2, WaitingReason.RECIPIENT_REVERTS, not_before=NOW.wall + 5), NOW)
    assert plans(page) == [0b1011]
    assert make(page).look_again == NOW.after(5)
    assert [(plan.mask, plan.is_retry) for plan in make(page, after_us=5).now] == [
        (0b100, True),
        (0b1011, False),
    ]


def test_a_page_that_is_held_back_holds_no_other_one_back() -> None:
    page, other = make_page(4, proven_at=BEGINNING), make_page(2, number=4, proven_at=BEGINNING)
    page.hold_back(Waiting(WaitingReason.CLIENT_UPDATE, "no"), NOW.ticks, is_refusal=True)
    made = make_plans([page, other], GasModel(150_000), LIMITS, NOW.ticks, 1_000, 0)
    assert [plan.page for plan in made.now] == [4]
    assert made.look_again == NOW.after(FIRST_PAUSE_US)
    assert plans(page, after_us=FIRST_PAUSE_US) == [0b1111]


@given(st.integers(1, 256), st.data())
def test_every_batch_leads_to_the_proven_head(count: int, data: st.DataObject) -> None:
    """Whatever of a page is carried, its bytes decode to it and hash to the head that the page's
    proof shows.
    """
    page = make_page(count)
    assert page.proof is not None
    mask = data.draw(st.integers(1, (1 << count) - 1))
    batch = make_batch(LANE, page, mask)
    assert batch.compute_head() == page.proof.head
    assert batch.last == page.proof.last
    decoded = decode_batch(encode_batch(batch), LANE.destination)
    carried = [item for item in decoded.items if isinstance(item, Message)]
    assert carried == full_messages(page, mask)
    assert batch.first >> 8 == batch.last >> 8 == 3


def test_halving_ends_with_one_message() -> None:
    plan = BatchPlan(3, 0b10110, is_retry=False)
    assert halve(plan).mask == 0b00010
    assert halve(BatchPlan(3, 0b1111, is_retry=False)).mask == 0b0011
    assert halve(BatchPlan(3, 0b100, is_retry=False)).mask == 0b100
