# SPDX-License-Identifier: MIT
"""The seam between the demo and a kind of consensus: what is alike for every kind."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from relayer.cli.demo.console import DemoConsole
from relayer.consensus.show import judge, rewrite


@pytest.mark.parametrize(
    ("word", "other"),
    [(b"\x11" * 32, b"\x00" * 3 + b"\x22" * 29), (b"\x00" * 2 + b"\x11" * 30, b"\x22" * 32)],
)
def test_words_with_leading_zeros_are_rewritten_as_the_encoding_has_them(word: bytes, other: bytes) -> None:
    def leaf(value: bytes) -> bytes:
        stripped = value.lstrip(b"\0")
        return b"\x00\x00" + bytes((len(stripped),)) + stripped

    assert rewrite(leaf(word), word, other) == leaf(other)
    assert rewrite(leaf(word), b"\x33" * 32, other) == leaf(word)


@pytest.mark.parametrize(("holds", "shown"), [(True, "  ✓ it fits\n"), (False, "  ✗ NOT SO: it fits\n")])
def test_a_judgement_is_printed_and_given_back(holds: bool, shown: str) -> None:
    out = io.StringIO()
    assert judge(DemoConsole(Console(file=out), is_live=False), "it fits", holds=holds) is holds
    assert out.getvalue() == shown
