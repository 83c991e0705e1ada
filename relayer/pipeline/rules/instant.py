# SPDX-License-Identifier: MIT
"""Instants by two clocks: the wall's, which may be set back or forward, and one that nobody sets.

Whatever waits in memory waits by the second. The journal and people are told the first. A time that an
earlier process has stored is only known by the wall, so it is bounded before anything waits for it.
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
        """Return the moment `us` microseconds later, by the clock that nobody sets."""
        return Ticks(self.ticks + us)

    def until(self, not_before: Micros) -> Ticks:
        """Return when a time of the wall's clock comes, as far as it is worth waiting for."""
        return self.after(min(max(0, not_before - self.wall), LONGEST_WAIT_US))
