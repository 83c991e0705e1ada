# SPDX-License-Identifier: MIT
"""The steps of a story, in words."""

from __future__ import annotations

from typing import Any

import pytest

from relayer.cli.trace import describe_detail


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ({}, ""),
        ({"blocks": [90, 90]}, "block 90"),
        ({"blocks": [90, 95], "final": False}, "blocks 90 to 95, not final yet"),
        ({"height": 7, "block": b"\x01"}, "height 7, block 0x01"),
        (
            {"messages": 3, "proof_height": 9, "simulated_failures": 2},
            "with 3 messages in one transaction, proof height 9, 2 of them refused in the simulation",
        ),
        ({"messages": 1, "proof_height": 9, "simulated_failures": 0}, "alone, proof height 9"),
        ({"block": 5, "gas_used": 92_782}, "block 5, 92,782 gas"),
        ({"why": "its block is gone"}, "its block is gone"),
    ],
)
def test_what_made_a_step_is_told_in_words(detail: dict[str, Any], words: str) -> None:
    assert describe_detail(detail) == words
