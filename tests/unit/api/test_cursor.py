# SPDX-License-Identifier: MIT
"""A cursor is a place in the order of messages, whoever made it."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.api.cursor import Cursor, read_cursor, write_cursor
from relayer.journal.rows import LaneRow, Micros
from relayer.journal.search import Position

NUMBERS = st.integers(-(2**63), 2**63 - 1)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_place_comes_back(observed_at: int, lane: int, sequence: int) -> None:
    position = Position(Micros(observed_at), LaneRow(lane), sequence)
    assert read_cursor(msgspec.convert(write_cursor(position), Cursor)) == position


@given(st.text(alphabet="abcXYZ019-_", min_size=32, max_size=32))
def test_each_text_of_the_form_is_a_place(text: str) -> None:
    assert write_cursor(read_cursor(msgspec.convert(text, Cursor))) == text


@pytest.mark.parametrize(
    "text", ["", "A" * 31, "A" * 33, "A" * 31 + "=", "A" * 31 + "+", "A" * 32 + "\n", "é" * 32]
)
def test_another_text_is_none(text: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.compile("Expected `str`")):
        msgspec.convert(text, Cursor)
