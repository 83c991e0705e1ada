# SPDX-License-Identifier: MIT
"""Why a lane as a whole waits (INV-10): the gravest reason of the parts that hold it up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from relayer.journal.rows import LaneRow, Micros
from relayer.journal.store import Journal
from relayer.pipeline.lane_waiting import LaneWaiting
from relayer.pipeline.rules.lane import LaneProgress
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import ZERO_HEAD, EndpointId

A, B = EndpointId(b"a" * 32), EndpointId(b"b" * 32)
NOW = Micros(1_800_000_000_000_000)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(f"sqlite:///{tmp_path}/journal.db") as journal:
        yield journal


async def open_lane(journal: Journal) -> LaneProgress:
    lane = Lane(A, B)
    row = await journal.commit(
        lambda writing: writing.put_lane(
            lane,
            writing.put_chain(A, "a", scanned_height=0, at=NOW),
            writing.put_chain(B, "b", scanned_height=0, at=NOW),
        )
    )
    return LaneProgress(row, lane, "a", "b", 0, ZERO_HEAD, 0, 0)


async def stored(journal: Journal, row: LaneRow) -> Waiting | None:
    # Posted work is done in order, so a commit behind it waits for it.
    await journal.commit(lambda _: None)
    with journal.reading() as reading:
        return next(lane.waiting for lane in reading.lanes() if lane.row == row)


async def test_the_gravest_reason_is_kept_until_it_is_over(journal: Journal) -> None:
    progress, reasons = await open_lane(journal), LaneWaiting(journal, lambda: NOW)
    price = Waiting(WaitingReason.GAS_PRICE, "too high")
    expired = Waiting(WaitingReason.CLIENT_EXPIRED, "since yesterday")
    reasons.set(progress, "delivery", price)
    assert progress.waiting == price
    reasons.set(progress, "client", expired)
    assert progress.waiting == expired
    assert await stored(journal, progress.row) == expired
    reasons.set(progress, "client", None)
    assert progress.waiting == price
    reasons.set(progress, "delivery", None)
    assert await stored(journal, progress.row) is None


async def test_both_ends_finality_is_told(journal: Journal) -> None:
    progress, reasons = await open_lane(journal), LaneWaiting(journal, lambda: NOW)
    reasons.set(progress, "delivered", Waiting(WaitingReason.FINALITY, "2 delivered"))
    reasons.set(progress, "sent", Waiting(WaitingReason.FINALITY, "3 sent"))
    assert progress.waiting == Waiting(WaitingReason.FINALITY, "3 sent; 2 delivered")


async def test_only_changes_are_written(journal: Journal) -> None:
    progress, reasons = await open_lane(journal), LaneWaiting(journal, lambda: NOW)
    reasons.set(progress, "source", Waiting(WaitingReason.RPC_TROUBLE, "down"))
    await stored(journal, progress.row)
    before = journal.commits
    reasons.set(progress, "source", Waiting(WaitingReason.RPC_TROUBLE, "down"))
    reasons.set(progress, "sent", Waiting(WaitingReason.FINALITY, "3 sent"))
    await stored(journal, progress.row)
    assert journal.commits == before + 1
