# SPDX-License-Identifier: MIT
"""Rules that concern more than one value of a file."""

from __future__ import annotations

import pytest

from relayer.config import InvalidConfig
from tests.unit.config.samples import GOOD, parse


def test_the_same_lane_twice_is_refused() -> None:
    lane = GOOD[GOOD.index("[[lanes]]") :]
    with pytest.raises(InvalidConfig, match=r"lanes\[1\].*listed already"):
        parse(GOOD + lane)


def test_no_chains_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="no 'chains'"):
        parse("")
    with pytest.raises(InvalidConfig, match="no chain"):
        parse("[chains]\n")
