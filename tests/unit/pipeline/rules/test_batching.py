# SPDX-License-Identifier: MIT
"""Which messages go into which transaction, and that the batch made of them leads to the proven head."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relayer.journal.rows import LaneRow, Micros, StoredProof, StoredWait
from relayer.pipeline.rules.batching import (
    BatchLimits,
    BatchPlan,
    full_messages,
    halve,
    make_batch,
    make_plans,
)
from relayer.pipeline.rules.gas import MOST_TRANSACTION_GAS, GasModel
from relayer.pipeline.rules.lane import PageState
from relayer.protocol.batch import decode_batch, encode_batch
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import EndpointId, Message, Sequence, next_head

LANE = Lane(EndpointId(b"a" * 32), EndpointId(b"b" * 32))
NOW = Micros(1_000_000_000)
LIMITS = BatchLimits(MOST_TRANSACTION_GAS, most_bytes=96 * 1024, most_messages=256, max_wait_us=1_000_000)


def make_page(
    count: int, *, number: int = 3, deadline: int = 0, proven_at: int = NOW, gas_limit: int = 200_000
) -> PageState:
    head = b"p" * 32
    made = PageState(number, head)
    for index in range(count):
        message = Message(
            LANE.id,
            Sequence((number << 8) + index),
            b"s".rjust(32, b"\0"),
            b"r".rjust(32, b"\0"),
            gas_limit,
            deadline,
            0,
            index.to_bytes(4),
        )
        head = next_head(head, message.id)
        made.add(message, message.id, head, Micros(proven_at))
    made.proof = StoredProof(LaneRow(1), number, (number << 8) + count - 1, head, 90, 900, b"proof")
    return made


def plans(page: PageState, limits: BatchLimits = LIMITS, now: int = NOW, oldest_height: int = 0) -> list[int]:
    made = make_plans([page], GasModel(150_000), limits, Micros(now), 1_000, oldest_height)
    return [plan.mask for plan in made.now]


def test_what_could_have_company_waits_and_says_until_when() -> None:
    page = make_page(3)
    made = make_plans([page], GasModel(150_000), LIMITS, NOW, 1_000, 0)
    assert made.now == ()
    assert made.look_again == NOW + 1_000_000
    assert plans(page, now=NOW + 1_000_000) == [0b111]


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
    page = make_page(10, deadline=0)
    page.delivered, page.expired, page.in_flight, page.seen, page.altered = 1, 2, 4, 8, 16
    assert plans(page, now=NOW + 10**6) == [0b1111100000]
    assert plans(make_page(4, deadline=999), now=NOW + 10**6) == []
    assert plans(make_page(4, deadline=1_000), now=NOW + 10**6) == [0b1111]


def test_a_stale_absent_or_old_proof_plans_nothing() -> None:
    page = make_page(4, proven_at=0)
    assert plans(page) == [0b1111]
    assert plans(page, oldest_height=91) == []
    page.proof_is_stale = True
    assert plans(page) == []
    page.proof_is_stale, page.proof = False, None
    assert plans(page) == []


def test_messages_beyond_the_proof_wait_for_the_next_one() -> None:
    page = make_page(4, proven_at=0)
    assert page.proof is not None
    page.proof = StoredProof(LaneRow(1), 3, (3 << 8) + 1, page.heads[1], 90, 900, b"proof")
    assert plans(page) == [0b11]


def test_a_message_that_was_refused_goes_alone_when_its_time_has_come() -> None:
    page = make_page(4, proven_at=0)
    waiting = Waiting(WaitingReason.RECIPIENT_REVERTS, "no")
    page.waits[2] = StoredWait(LaneRow(1), (3 << 8) + 2, waiting, NOW, 1, Micros(NOW + 5))
    assert plans(page) == [0b1011]
    made = make_plans([page], GasModel(150_000), LIMITS, Micros(NOW + 5), 1_000, 0)
    assert [(plan.mask, plan.is_retry) for plan in made.now] == [(0b100, True), (0b1011, False)]
    assert make_plans([page], GasModel(150_000), LIMITS, NOW, 1_000, 0).look_again == NOW + 5


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
