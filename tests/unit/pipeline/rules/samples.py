# SPDX-License-Identifier: MIT
"""Pages, lanes and verdicts for the tests of the rules."""

from __future__ import annotations

from relayer.journal.rows import LaneRow, Micros, StoredMessage, StoredProof, StoredWait
from relayer.pipeline.rules.instant import Instant, Ticks
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.page import Confirmed, PageState
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import ZERO_HEAD, EndpointId, Message, Sequence, next_head

LANE = Lane(EndpointId(b"a" * 32), EndpointId(b"b" * 32))
ROW = LaneRow(1)
#: The wall's clock and the one that nobody sets differ, so that a test sees which one is asked.
NOW = Instant(Micros(1_800_000_000_000_000), Ticks(5_000_000_000))
BEGINNING = Instant(Micros(0), Ticks(0))


def make_message(
    sequence: int, *, deadline: int = 0, gas_limit: int = 200_000, payload: bytes = b""
) -> Message:
    sender, recipient = b"s".rjust(32, b"\0"), b"r".rjust(32, b"\0")
    return Message(LANE.id, Sequence(sequence), sender, recipient, gas_limit, deadline, 0, payload)


def make_page(
    count: int,
    *,
    number: int = 3,
    deadline: int = 0,
    proven_at: Instant = NOW,
    gas_limit: int = 200_000,
    proof: bool = True,
) -> PageState:
    """A page of messages with a proof of its head, at height 90."""
    head = b"p" * 32
    made = PageState(number, head)
    for index in range(count):
        message = make_message(
            (number << 8) + index, deadline=deadline, gas_limit=gas_limit, payload=index.to_bytes(4)
        )
        head = next_head(head, message.id)
        made.add(message, message.id, head, proven_at)
    if proof and count:
        made.take_proof(make_proof(made, count - 1))
    return made


def make_proof(page: PageState, last: int, *, height: int = 90) -> StoredProof:
    return StoredProof(ROW, page.page, page.first + last, page.heads[last], height, 900, b"proof")


def make_lane(*pages: PageState, proven: int, next_page: int, waiting: Waiting | None = None) -> LaneProgress:
    lane = LaneProgress(ROW, LANE, "court", "port", proven, ZERO_HEAD, 7, 0)
    for page in pages:
        lane.load(page)
    lane.begin_at(next_page)
    lane.wait_for(waiting)
    return lane


def make_wait(
    sequence: int, reason: WaitingReason, *, not_before: int = NOW.wall, detail: str = ""
) -> StoredWait:
    return StoredWait(ROW, sequence, Waiting(reason, detail), NOW.wall, 1, Micros(not_before))


def make_stored(sequence: int, head: bytes, *, block: int = 9) -> StoredMessage:
    message = make_message(sequence)
    return StoredMessage(
        ROW, message, message.id, next_head(head, message.id), block, b"b" * 32, b"t" * 32, 0
    )


def verdict(
    *,
    delivered: int = 0,
    expired: int = 0,
    failed: tuple[StoredWait, ...] = (),
    returned: int = 0,
    unseen: int = 0,
    page: int = 3,
    height: int = 70,
) -> Confirmed:
    return Confirmed(ROW, page, height, delivered, expired, failed, returned, unseen)
