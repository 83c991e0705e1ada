# SPDX-License-Identifier: MIT
"""Messages are found by what people know of them, in one order, by an index, a piece at a time."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event

from relayer.journal.rows import BatchRow, LaneRow, Micros, Purpose, StoredBatch, StoredMessage, StoredWait
from relayer.journal.search import FoundMessage, FoundPage, MessageSearch, Position, search_messages
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.protocol.lane import Lane
from tests.support.journal import commit
from tests.unit.journal.samples import LANE, NOW, A, B, add_lane, attempt, messages, step, steps_to

S = DeliveryState
SENDERS = (b"s".rjust(32, b"\0"), b"t".rjust(32, b"\0"))
OTHER_LANE = Lane(B, A)


def search(journal: Journal, limit: int = 100, after: Position | None = None, **wanted: Any) -> FoundPage:
    with journal.reading() as reading:
        return search_messages(reading, MessageSearch(**wanted), limit, after)


def sequences(page: FoundPage) -> list[int]:
    return [found.sequence for found in page.found]


def sent(row: LaneRow, count: int) -> list[StoredMessage]:
    """Messages of two senders in turn, each sent by a transaction of its own."""
    return [
        dataclasses.replace(
            stored,
            message=dataclasses.replace(stored.message, sender=SENDERS[number % 2]),
            tx_hash=number.to_bytes(32),
        )
        for number, stored in enumerate(messages(row, count))
    ]


def _add_other_lane(writing: Writing) -> LaneRow:
    source = writing.put_chain(B, "port", scanned_height=0, at=NOW)
    return writing.put_lane(OTHER_LANE, source, writing.put_chain(A, "court", scanned_height=9, at=NOW))


@pytest.fixture
def row(journal: Journal) -> LaneRow:
    """A lane of 600 messages: 300 confirmed, one failed, one expired behind it, the others proven; and
    another lane with three messages that came before its last hundred.
    """
    row, other = add_lane(journal), commit(journal, _add_other_lane)
    stored = sent(row, 600)

    def write(writing: Writing) -> None:
        writing.put_messages(stored[:500], NOW)
        writing.put_messages(
            [dataclasses.replace(message, lane=other) for message in messages(other, 3)], Micros(NOW + 5)
        )
        writing.put_messages(stored[500:], Micros(NOW + 10))
        for first, last, state in (
            (0, 255, S.CONFIRMED),
            (256, 299, S.CONFIRMED),
            (300, 300, S.FAILED),
            (301, 301, S.EXPIRED),
            (302, 511, S.PROVEN),
            (512, 599, S.PROVEN),
        ):
            writing.add_transitions(steps_to(row, first, last, state))
        writing.add_transitions([step(other, 0, 2, S.OBSERVED)])
        writing.settle_lane(row, 300)
        paused = Waiting(WaitingReason.PAUSED, "by its guardian")
        writing.put_waits([StoredWait(row, 310, paused, NOW, 0, NOW)])

    commit(journal, write)
    return row


def test_the_newest_come_first_and_pieces_join_without_gaps(journal: Journal, row: LaneRow) -> None:
    everything = search(journal, limit=1_000)
    assert everything.next is None
    places = [(found.lane_id, found.sequence) for found in everything.found]
    assert places == [
        *((LANE.id, sequence) for sequence in range(599, 499, -1)),
        *((OTHER_LANE.id, sequence) for sequence in (2, 1, 0)),
        *((LANE.id, sequence) for sequence in range(499, -1, -1)),
    ]
    for limit in (1, 7, 100, 603):
        joined: list[FoundMessage] = []
        after = None
        while True:
            page = search(journal, limit, after)
            assert len(page.found) <= limit
            joined += page.found
            after = page.next
            if after is None:
                break
        assert tuple(joined) == everything.found


def test_each_field_finds_its_messages(journal: Journal, row: LaneRow) -> None:
    with journal.reading() as reading:
        (stored,) = reading.messages(row, 17, 17)
    for wanted in ({"message_id": stored.leaf}, {"tx_hash": (17).to_bytes(32)}):
        assert sequences(search(journal, **wanted)) == [17]
    assert sequences(search(journal, 3, sender=SENDERS[1])) == [599, 597, 595]
    assert sequences(search(journal, 3, recipient=b"r".rjust(32, b"\0"))) == [599, 598, 597]
    assert search(journal, sender=b"n" * 32) == FoundPage((), None)
    assert sequences(search(journal, lane_id=OTHER_LANE.id)) == [2, 1, 0]
    assert search(journal, lane_id=b"n" * 32) == FoundPage((), None)
    assert sequences(search(journal, since=Micros(NOW + 1), until=Micros(NOW + 10))) == [2, 1, 0]
    assert sequences(search(journal, 2, until=Micros(NOW + 5), sender=SENDERS[0])) == [498, 496]


def test_what_is_found_is_told_with_where_it_stands(journal: Journal, row: LaneRow) -> None:
    (found,) = search(journal, tx_hash=(310).to_bytes(32)).found
    assert (found.source, found.destination, found.lane_id) == ("court", "port", LANE.id)
    assert (found.payload_bytes, found.gas_limit, found.deadline) == (3, 200_000, 2**64 - 1)
    assert (found.block_number, found.observed_at) == (100, NOW)
    assert (found.state, found.waiting) == (S.PROVEN, Waiting(WaitingReason.PAUSED, "by its guardian"))
    (confirmed,) = search(journal, tx_hash=(5).to_bytes(32)).found
    assert (confirmed.state, confirmed.waiting) == (S.CONFIRMED, None)


def test_a_message_that_is_written_anew_keeps_its_first_moment(journal: Journal, row: LaneRow) -> None:
    again = [dataclasses.replace(message, block_number=101) for message in sent(row, 500)]
    commit(journal, lambda writing: writing.put_messages(again, Micros(NOW + 99)))
    (found,) = search(journal, tx_hash=(310).to_bytes(32)).found
    assert (found.observed_at, found.block_number) == (NOW, 101)
    assert sequences(search(journal, 1, lane_id=LANE.id)) == [599]


def test_states_and_reasons_are_found(journal: Journal, row: LaneRow) -> None:
    assert sequences(search(journal, state=S.FAILED)) == [300]
    assert sequences(search(journal, state=S.EXPIRED)) == [301]
    assert sequences(search(journal, 3, state=S.CONFIRMED)) == [299, 298, 297]
    assert sequences(search(journal, reason=WaitingReason.PAUSED)) == [310]
    assert sequences(search(journal, reason=WaitingReason.RECIPIENT_REVERTS)) == [300]
    assert sequences(search(journal, reason=WaitingReason.FINALITY)) == [2, 1, 0]
    assert len(search(journal, 1_000, reason=WaitingReason.BATCH).found) == 600 - 302 - 1
    assert sequences(search(journal, 2, state=S.PROVEN, sender=SENDERS[0])) == [598, 596]


def test_a_search_that_looks_at_much_goes_on_where_it_stopped(
    journal: Journal, row: LaneRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relayer.journal.search._CHUNK", 100)
    with journal.reading() as reading:
        wanted, after, pieces = MessageSearch(state=S.FAILED), None, []
        while True:
            page = search_messages(reading, wanted, 10, after, 200)
            pieces.append(sequences(page))
            after = page.next
            if after is None:
                break
    assert pieces == [[], [300], [], []]


def test_a_delivery_of_ours_finds_what_it_carries(journal: Journal, row: LaneRow) -> None:
    def write(writing: Writing) -> None:
        chain = writing.put_chain(B, "port", scanned_height=0, at=NOW)
        transaction = writing.add_transaction(chain, Purpose.DELIVER, b"k" * 20, 1, attempt(9))
        writing.add_batch(StoredBatch(BatchRow(0), row, 1, 310, 312, 0b101 << 310 - 256, 50, transaction))
        later = dataclasses.replace(attempt(9), tx_hash=b"later".rjust(32, b"\0"))
        writing.add_attempt(transaction, later)

    commit(journal, write)
    for tx_hash in (attempt(9).tx_hash, b"later".rjust(32, b"\0")):
        # A message that a transaction sent has the same hash by chance: 9 is a small number.
        assert sequences(search(journal, tx_hash=tx_hash)) == [312, 310]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "messages_by_time"),
        ({"since": NOW, "until": NOW}, "messages_by_time"),
        ({"state": S.FAILED}, "messages_by_time"),
        ({"message_id": b"i" * 32}, "messages_by_leaf"),
        ({"tx_hash": b"t" * 32}, "messages_by_transaction"),
        ({"sender": SENDERS[0]}, "messages_by_sender"),
        ({"recipient": SENDERS[0]}, "messages_by_recipient"),
        ({"lane_id": LANE.id}, "messages_by_lane"),
    ],
)
def test_an_index_serves_each_field_and_the_order(
    journal: Journal, row: LaneRow, url: str, wanted: dict[str, Any], index: str
) -> None:
    if not url.startswith("sqlite"):
        pytest.skip("the plan of a small table is SQLite's to keep")
    run: list[tuple[str, Any]] = []
    engine = journal._engine  # noqa: SLF001  whose statements are listened to

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        run.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    search(journal, 50, Position(NOW, row, 400), **wanted)
    event.remove(engine, "before_cursor_execute", note)
    assert len(run) < 20
    for statement, parameters in run:
        plan = _plan(journal, url, statement, parameters)
        if "FROM messages" in statement and "ORDER BY" in statement:
            assert index in plan
            # Keys that are unique sort a handful; all else comes in order.
            assert ("TEMP B-TREE" in plan) == (index in {"messages_by_leaf", "messages_by_transaction"})
        if "FROM transitions" in statement:
            assert "transitions_by_page" in plan
        if "FROM attempts" in statement:
            assert "attempts_by_hash" in plan


def _plan(journal: Journal, url: str, statement: str, parameters: Any) -> str:
    engine: Engine = create_engine(url)
    try:
        with engine.connect() as connection:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            return "\n".join(row.detail for row in rows)
    finally:
        engine.dispose()
