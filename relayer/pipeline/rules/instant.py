# SPDX-License-Identifier: MIT
"""Instants by two clocks: the wall's, which may be set back or forward, and one that nobody sets.

What waits in memory goes by the clock that nobody sets. The journal and people are told the wall's time. A
time that an earlier process has stored is known by the wall's clock alone, so the wait for it is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NewType

from relayer.journal.rows import MICROS_PER_S, Micros

#: Microseconds of a clock that nobody sets. They mean nothing to another process.
Ticks = NewType("Ticks", int)

#: The longest pause before a message that its recipient refused is tried again, in microseconds. No stored
#: time is waited for longer, because the clock that it was stored by may have been wrong.
LONGEST_WAIT_US: Final = 3_600 * MICROS_PER_S


@dataclass(frozen=True, slots=True)
class Instant:
    """An instant.

    Attributes:
        wall: microseconds since 1970.
        ticks: the same instant by the clock that nobody sets.
    """

    wall: Micros
    ticks: Ticks

    def after(self, us: int) -> Ticks:
        """Return when `us` microseconds have passed, by the clock that nobody sets."""
        return Ticks(self.ticks + us)

    def until(self, not_before: Micros) -> Ticks:
        """Return when `not_before` comes by the clock that nobody sets, at most LONGEST_WAIT_US from now."""
        return self.after(min(max(0, not_before - self.wall), LONGEST_WAIT_US))
