# SPDX-License-Identifier: MIT
"""Why a lane as a whole waits: each part of the pipeline says its own, the gravest is told and kept (INV-10)."""

from __future__ import annotations

from collections.abc import Callable

from relayer.journal.rows import LaneRow, Micros
from relayer.journal.store import Journal
from relayer.pipeline.lane_state import LaneProgress
from relayer.protocol.delivery import Waiting, WaitingReason

#: The parts that may hold up a lane, the gravest first.
PARTS = ("client", "logs", "source", "destination", "delivery", "sent", "delivered")


class Reasons:
    """All lanes' reasons. Only changes are written."""

    def __init__(self, journal: Journal, clock: Callable[[], Micros]) -> None:
        self._journal = journal
        self._clock = clock
        self._said: dict[LaneRow, dict[str, Waiting]] = {}

    def set(self, book: LaneProgress, part: str, waiting: Waiting | None) -> None:
        """Say why a part of the pipeline holds a lane up; None when it does not."""
        said = self._said.setdefault(book.row, {})
        if said.get(part) == waiting:
            return
        if waiting is None:
            said.pop(part, None)
        else:
            said[part] = waiting
        gravest = next((said[each] for each in PARTS if each in said), None)
        if gravest is not None and gravest.reason is WaitingReason.FINALITY:
            # Both ends may be waited for, and are waited for by different messages.
            waited = (said[each].detail for each in PARTS if each in said)
            gravest = Waiting(WaitingReason.FINALITY, "; ".join(waited))
        if gravest != book.waiting:
            book.waiting = gravest
            at = self._clock()
            self._journal.post(lambda writing: writing.set_reason(book.row, gravest, at))

    def of(self, book: LaneProgress, part: str) -> Waiting | None:
        """What a part says of a lane."""
        return self._said.get(book.row, {}).get(part)
