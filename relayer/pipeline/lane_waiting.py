# SPDX-License-Identifier: MIT
"""Why a lane as a whole waits (INV-10): the parts of the pipeline name their reasons, and the gravest one is
kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from relayer.journal.rows import LaneRow, Micros
from relayer.journal.store import Journal
from relayer.pipeline.rules.lane import LaneProgress
from relayer.protocol.delivery import Waiting, WaitingReason

#: The parts that may hold a lane up, the gravest first.
PARTS: Final = (
    "client",
    "logs",
    "source",
    "destination",
    "source heads",
    "destination heads",
    "delivery",
    "sent",
    "delivered",
)


class LaneWaiting:
    """The reasons of all lanes. Only changes are written to the journal."""

    def __init__(self, journal: Journal, clock: Callable[[], Micros]) -> None:
        self._journal = journal
        self._clock = clock
        self._by_part: dict[LaneRow, dict[str, Waiting]] = {}

    def set(self, progress: LaneProgress, part: str, waiting: Waiting | None) -> None:
        """Set why a part, one of PARTS, holds a lane up; None when it does not."""
        by_part = self._by_part.setdefault(progress.row, {})
        if by_part.get(part) == waiting:
            return
        if waiting is None:
            by_part.pop(part, None)
        else:
            by_part[part] = waiting
        named = [by_part[name] for name in PARTS if name in by_part]
        gravest = named[0] if named else None
        if gravest is not None and gravest.reason is WaitingReason.FINALITY:
            # Some messages may wait for the source's finality while others wait for the destination's: both
            # are told.
            gravest = Waiting(WaitingReason.FINALITY, "; ".join(reason.detail for reason in named))
        if gravest != progress.waiting:
            progress.wait_for(gravest)
            at = self._clock()
            self._journal.post(lambda writing: writing.set_reason(progress.row, gravest, at))
