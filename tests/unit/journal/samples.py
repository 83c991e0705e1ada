# SPDX-License-Identifier: MIT
"""Rows to put into journals."""

from __future__ import annotations

from relayer.journal.rows import LaneRow, Micros, SignedAttempt, StoredMessage, Transition
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.protocol.delivery import TRANSITIONS, DeliveryState
from relayer.protocol.lane import Lane
from relayer.protocol.message import ZERO_HEAD, EndpointId, Message, Sequence, next_head
from tests.support.journal import commit

A, B = EndpointId(b"a" * 32), EndpointId(b"b" * 32)
LANE = Lane(A, B)
NOW = Micros(1_800_000_000_000_000)


def add_lane(journal: Journal, lane: Lane = LANE) -> LaneRow:
    def write(writing: Writing) -> LaneRow:
        source = writing.put_chain(lane.source, "court", scanned_height=9, at=NOW)
        destination = writing.put_chain(lane.destination, "port", scanned_height=0, at=NOW)
        return writing.put_lane(lane, source, destination)

    return commit(journal, write)


def messages(row: LaneRow, count: int, *, first: int = 0, head: bytes = ZERO_HEAD) -> list[StoredMessage]:
    stored = []
    for sequence in range(first, first + count):
        message = Message(
            lane_id=LANE.id,
            sequence=Sequence(sequence),
            sender=b"s".rjust(32, b"\0"),
            recipient=b"r".rjust(32, b"\0"),
            gas_limit=200_000,
            deadline=2**64 - 1,
            fee_wei=0,
            payload=str(sequence).encode(),
        )
        head = next_head(head, message.id)
        stored.append(StoredMessage(row, message, message.id, head, 100, b"h" * 32, b"t" * 32, sequence))
    return stored


def step(
    row: LaneRow, first: int, last: int, state: DeliveryState, *, mask: int | None = None, at: int = 0
) -> Transition:
    return Transition(row, first, last, state, Micros(NOW + at), mask=mask)


def steps_to(row: LaneRow, first: int, last: int, state: DeliveryState) -> list[Transition]:
    """The shortest story that the table allows up to a state."""
    paths, found = [[DeliveryState.OBSERVED]], {DeliveryState.OBSERVED}
    while paths[0][-1] is not state:
        path = paths.pop(0)
        for target in sorted(TRANSITIONS[path[-1]] - found, key=lambda target: target.value):
            found.add(target)
            paths.append([*path, target])
    return [step(row, first, last, reached) for reached in paths[0]]


def attempt(number: int = 1) -> SignedAttempt:
    return SignedAttempt(number.to_bytes(32), b"raw" + bytes([number]), 500_000, 3 * 10**9, 10**9, NOW)
