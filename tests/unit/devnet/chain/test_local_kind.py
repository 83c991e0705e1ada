# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from relayer.devnet.chain.local_kind import read_count


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("255", 255), ("007", 7)])
def test_counts(text: str, count: int) -> None:
    assert read_count(text, 255) == count


@pytest.mark.parametrize("text", ["", "0", "256", "-4", "+4", "4\N{SUPERSCRIPT TWO}", "4.0", " 4", "00001"])
def test_what_is_no_count(text: str) -> None:
    assert read_count(text, 255) is None
