# SPDX-License-Identifier: MIT
"""The table of `make faults` judges its lines, and its worst lines come out well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench.faults import ROWS, SHORT, faults_of, run
from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE

FINE: dict[str, Any] = {
    "fault": "none",
    "covered_by": "sender",
    "recovered_s": 1.0,
    "lost": 0,
    "twice": 0,
    "price_ratio": 1.0,
    "may_cost": False,
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"lost": 2}, ["2 lost"]),
        ({"twice": 1, "covered_by": "providers"}, ["1 twice"]),
        ({"recovered_s": None}, ["never recovered"]),
        ({"recovered_s": None, "covered_by": "providers"}, []),
        ({"price_ratio": 6.6}, ["6.6 times the price"]),
        ({"price_ratio": 6.6, "may_cost": True}, []),
    ],
)
def test_a_line_is_judged_by_what_its_part_covers(change: dict[str, Any], expected: list[str]) -> None:
    assert faults_of(FINE | change) == expected


def test_the_rows_are_told_apart_by_their_names() -> None:
    names = [row.fault for row in ROWS]
    assert len(set(names)) == len(names) >= 25
    assert set(SHORT) <= set(names)


async def test_the_worst_faults_lose_double_and_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-1, INV-2, INV-5, INV-6: what `make faults ARGS=--short` shows."""
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    lines = await run(tmp_path, [row for row in ROWS if row.fault in SHORT], at_once=2)
    assert {line["fault"]: wrong for line in lines if (wrong := faults_of(line))} == {}
