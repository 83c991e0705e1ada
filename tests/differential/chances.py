# SPDX-License-Identifier: MIT
"""How many random cases are compared, and from which seed.

POSTROAD_DIFFERENTIAL_CASES is their number, instead of every test's own; POSTROAD_DIFFERENTIAL_SEED is the
seed, by default 1, and of the tests marked long another one every time. A difference is reported with its
seed and its bytes.
"""

from __future__ import annotations

import os
import random
from typing import Final

_TOLD: Final = os.environ.get("POSTROAD_DIFFERENTIAL_SEED")
SEED: Final = int(_TOLD or "1")


def case_count(default: int) -> int:
    """How many cases are wanted, by default so many."""
    return int(os.environ.get("POSTROAD_DIFFERENTIAL_CASES", default))


def new_seed() -> int:
    """A seed that nobody has tried, unless one was given."""
    return random.SystemRandom().randrange(2**32) if _TOLD is None else SEED
