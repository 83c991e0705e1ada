# SPDX-License-Identifier: MIT
"""The steps that the journal is told, and that the table of states allows them one after the other."""

from __future__ import annotations

from dataclasses import replace

from light_clients.client import Height, Timestamp
from relayer.chains.base import Address, TxHash, TxReceipt
from relayer.consensus.base import VerifiedHeader
from relayer.journal.rows import (
    BatchRow,
    Purpose,
    StoredBatch,
    StoredMessage,
    StoredProof,
    TransactionRow,
    Transition,
)
from relayer.journal.states import advance
from relayer.pipeline.rules.proving import Proven, Verified
from relayer.pipeline.rules.story import (
    altered_waits,
    confirmed_steps,
    included_steps,
    outcome_steps,
    reopened_steps,
    restored_steps,
    returned_steps,
    seen_step,
    submitted_step,
    unfinalized_steps,
    verified_steps,
)
from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.protocol.message import ZERO_HEAD, MessageId
from relayer.sending.transaction import Outcomes, Transaction
from tests.unit.pipeline.rules.samples import NOW, ROW, make_stored, make_wait, verdict

S = DeliveryState
HEADER = VerifiedHeader(Height(50), b"h" * 32, Timestamp(1_000), b"r" * 32)
AT = NOW.wall
BATCH = StoredBatch(BatchRow(7), ROW, 0, 2, 5, 0b110100, 50, TransactionRow(3))


def carrier(batch: StoredBatch | None = BATCH, receipt: TxReceipt | None = None) -> Transaction:
    return Transaction(TransactionRow(3), Purpose.DELIVER, Address(b"k" * 20), 1, [], None, batch, receipt)


def receipt(*, succeeded: bool = True) -> TxReceipt:
    return TxReceipt(TxHash(b"t" * 32), Height(60), b"b" * 32, succeeded, 90_000, 10**14, (), ())


def stored(first: int, count: int) -> tuple[StoredMessage, ...]:
    return tuple(make_stored(sequence, ZERO_HEAD, block=sequence) for sequence in range(first, first + count))


def proven(*pages: int) -> Proven:
    return Proven(ROW, tuple(StoredProof(ROW, page, page << 8, b"", 50, 1_000, b"") for page in pages))


def told(*steps: Transition) -> list[tuple[str, int, int]]:
    return [(step.state.value, step.first, step.last) for step in steps]


def states_after(*steps: Transition) -> dict[DeliveryState, int]:
    states: dict[DeliveryState, int] = {}
    for step in steps:
        advance(states, step)
    return {state: mask for state, mask in states.items() if mask}


def to_submitted() -> list[Transition]:
    verified = Verified(ROW, HEADER, stored(0, 6), (), None)
    return [*verified_steps(verified, proven(0), 0, 0, AT), submitted_step(BATCH, {"messages": 3}, AT)]


def test_a_step_of_many_messages_is_one_row_a_page() -> None:
    verified = Verified(ROW, HEADER, stored(254, 4), (), None)
    assert told(*verified_steps(verified, proven(0, 1), 254, 0, AT)) == [
        ("observed", 254, 255),
        ("verified", 254, 255),
        ("proven", 254, 255),
        ("observed", 256, 257),
        ("verified", 256, 257),
        ("proven", 256, 257),
    ]
    # The head of page 1 vouches for page 0, whose own proof is still to come.
    assert ("proven", 254, 255) not in told(*verified_steps(verified, proven(1), 254, 0, AT))


def test_hearsay_is_observed_and_unfounded_once_logs_lead_to_the_head() -> None:
    waiting = Waiting(WaitingReason.RPC_TROUBLE, "a gap")
    hearsay = Verified(ROW, HEADER, (), stored(3, 4), waiting)
    assert told(*verified_steps(hearsay, proven(), 3, 0, AT)) == [("observed", 3, 6)]
    true = Verified(ROW, HEADER, stored(3, 1), (), None)
    steps = [
        *verified_steps(hearsay, proven(), 3, 0, AT),
        *verified_steps(true, proven(0), 3, 7, AT),
        # The true message takes the sequence of an invented one.
        *verified_steps(Verified(ROW, HEADER, stored(4, 1), (), None), proven(0), 4, 0, AT),
    ]
    assert states_after(*steps) == {S.PROVEN: 0b11000, S.UNFOUNDED: 0b1100000}


def test_a_message_whose_fields_were_altered_is_refused_until_they_are_restored() -> None:
    good = stored(0, 2)
    bad = replace(good[1], leaf=MessageId(b"x" * 32))
    verified = Verified(ROW, HEADER, (good[0], bad), (), None)
    steps = list(verified_steps(verified, proven(0), 0, 0, AT))
    assert states_after(*steps) == {S.PROVEN: 0b01, S.REFUSED: 0b10}
    (wait,) = altered_waits(verified, AT)
    assert (wait.sequence, wait.waiting.reason) == (1, WaitingReason.RPC_TROUBLE)
    assert states_after(*steps, *restored_steps(ROW, 1, 50, AT)) == {S.PROVEN: 0b11}
    # Somebody else delivered it meanwhile.
    late = [*confirmed_steps(verdict(page=0, delivered=0b10), AT), *restored_steps(ROW, 1, 50, AT)]
    assert states_after(*steps, *late) == {S.PROVEN: 0b01, S.CONFIRMED: 0b10}


def test_what_is_not_final_is_observed_and_gone_with_its_block() -> None:
    steps = list(unfinalized_steps(ROW, stored(254, 4), range(0), AT))
    assert told(*steps) == [("observed", 254, 255), ("observed", 256, 257)]
    assert steps[0].detail["final"] is False
    gone = unfinalized_steps(ROW, (), range(254, 258), AT)
    assert told(*gone) == [("unfounded", 254, 255), ("unfounded", 256, 257)]


def test_a_batch_is_signed_included_and_confirmed() -> None:
    (included,) = included_steps([carrier(receipt=receipt()), carrier(batch=None, receipt=receipt())], AT)
    assert (included.mask, included.batch, included.detail["block"]) == (BATCH.mask, BATCH.row, 60)
    assert "reverted" not in included.detail
    confirmed = confirmed_steps(verdict(page=0, delivered=BATCH.mask), AT)
    assert states_after(*to_submitted(), included, *confirmed) == {S.PROVEN: 0b001011, S.CONFIRMED: 0b110100}
    (reverted,) = included_steps([carrier(receipt=receipt(succeeded=False))], AT)
    assert reverted.detail["reverted"] is True


def test_a_transaction_may_be_displaced_or_opened_again() -> None:
    steps = [*to_submitted(), *included_steps([carrier(receipt=receipt())], AT)]
    steps += reopened_steps(carrier(), AT)
    assert states_after(*steps) == {S.PROVEN: 0b001011, S.SUBMITTED: 0b110100}
    steps += returned_steps([carrier(), carrier(batch=None)], "its nonce went elsewhere", AT)
    assert states_after(*steps) == {S.PROVEN: 0b111111}


def test_what_comes_late_tells_nothing_of_messages_that_are_final() -> None:
    """INV-2: somebody else delivered one of the batch, and another one expired."""
    done = confirmed_steps(verdict(page=0, delivered=0b100, expired=0b10000), AT)
    ended = {S.PROVEN: 0b001011, S.CONFIRMED: 0b100, S.EXPIRED: 0b10000}
    steps = [*to_submitted(), *done, *included_steps([carrier(receipt=receipt())], AT)]
    assert states_after(*steps) == {**ended, S.INCLUDED: 0b100000}
    steps += [seen_step(ROW, 0, 0b100, AT), *returned_steps([carrier()], "", AT)]
    assert states_after(*steps) == {**ended, S.PROVEN: 0b101011}


def test_a_refusal_is_tried_again() -> None:
    included = list(included_steps([carrier(receipt=receipt())], AT))
    wait = make_wait(4, WaitingReason.RECIPIENT_REVERTS, detail="refused once: no")
    judged = verdict(page=0, delivered=0b100, failed=(wait,), returned=0b100000)
    steps = [*to_submitted(), *included, *confirmed_steps(judged, AT)]
    assert states_after(*steps) == {S.PROVEN: 0b101011, S.CONFIRMED: 0b100, S.FAILED: 0b10000}
    retry = replace(BATCH, first=4, last=4, mask=0b10000)
    steps += [submitted_step(retry, {}, AT), *included_steps([carrier(retry, receipt())], AT)]
    assert states_after(*steps)[S.INCLUDED] == 0b10000


def test_what_a_provider_showed_falsely_is_proven_again_unless_it_is_over() -> None:
    steps = [*to_submitted()[:-1], seen_step(ROW, 0, 0b11, AT)]
    # One of them has expired by the same header.
    steps += confirmed_steps(verdict(page=0, expired=0b10, unseen=0b11), AT)
    assert states_after(*steps) == {S.PROVEN: 0b111101, S.EXPIRED: 0b10}


def test_what_one_look_found_is_told_in_order() -> None:
    other = replace(BATCH, row=BatchRow(8), first=0, last=1, mask=0b11)
    verified = Verified(ROW, HEADER, stored(0, 6), (), None)
    signed = [submitted_step(batch, {}, AT) for batch in (BATCH, other)]
    outcomes = Outcomes(
        included=[carrier(receipt=receipt())], given_up=[(carrier(other), "no node takes it")]
    )
    steps = [*verified_steps(verified, proven(0), 0, 0, AT), *signed, *outcome_steps(outcomes, AT)]
    assert states_after(*steps) == {S.INCLUDED: 0b110100, S.PROVEN: 0b1011}
    assert "no node takes it" in steps[-1].detail["why"]
    assert told(*outcome_steps(Outcomes(reopened=[carrier()]), AT)) == [("submitted", 2, 5)]
    assert told(*outcome_steps(Outcomes(displaced=[carrier()]), AT)) == [("proven", 2, 5)]
