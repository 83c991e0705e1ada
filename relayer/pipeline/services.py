# SPDX-License-Identifier: MIT
"""What every task needs, as one value: the journal, the reasons, the metrics and the clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from relayer.journal.rows import Micros
from relayer.journal.store import Journal
from relayer.metrics import Metrics
from relayer.pipeline.lane_waiting import LaneWaiting
from relayer.pipeline.rules.instant import Instant, Ticks


def now_ticks() -> Ticks:
    """Return the clock that nobody sets, in microseconds."""
    return Ticks(time.monotonic_ns() // 1_000)


@dataclass(frozen=True, slots=True)
class Services:
    """What every task needs.

    Attributes:
        journal: where everything is kept.
        lane_waiting: why lanes wait.
        metrics: what is counted.
        clock: the wall's clock, which may be set.
        monotonic: the clock that nobody sets, which waits go by.
    """

    journal: Journal
    lane_waiting: LaneWaiting
    metrics: Metrics
    clock: Callable[[], Micros]
    monotonic: Callable[[], Ticks] = now_ticks

    def now(self) -> Instant:
        """Return the instant by both clocks."""
        return Instant(self.clock(), self.monotonic())
