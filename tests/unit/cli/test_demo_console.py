# SPDX-License-Identifier: MIT
"""How the demo prints: whole lines for programs; in a terminal nothing is cut off."""

from __future__ import annotations

import io

from rich.console import Console

from relayer.cli.demo.console import DemoConsole

HASH = "0x" + "ab" * 32
KEY = "0x" + "cd" * 48


def make(*, is_terminal: bool, width: int = 80) -> tuple[DemoConsole, io.StringIO]:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=is_terminal, soft_wrap=not is_terminal, color_system=None
    )
    return DemoConsole(console, is_live=False), out


def lines(out: io.StringIO) -> list[str]:
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_program_gets_one_line_for_a_line() -> None:
    console, out = make(is_terminal=False)
    console.fact("signature", f"{KEY}{KEY} (of all)")
    console.good("held " * 40 + "up")
    console.columns([("gas", "here", "others"), ("send", "1", "x " * 60 + "y")], right=frozenset({1}))
    assert lines(out) == [
        f"  {'signature':<25}{KEY}{KEY} (of all)",
        "  ✓ " + "held " * 40 + "up",
        "  gas    here   others",
        "  send      1   " + "x " * 60 + "y",
    ]


def test_what_fits_is_on_one_line_in_a_terminal() -> None:
    console, out = make(is_terminal=True)
    console.fact("number", "31")
    console.result("→ hash", HASH[:50])
    assert lines(out) == [f"  {'number':<25}31", f"  {'→ hash':<25}{HASH[:50]}"]


def test_a_hash_that_does_not_fit_gets_a_line_of_its_own() -> None:
    console, out = make(is_terminal=True)
    console.fact("state root", f"{HASH} (field 2 of the header)")
    assert lines(out) == ["  state root", f"      {HASH} (field", "      2 of the header)"]


def test_what_is_longer_than_a_line_is_folded_and_nothing_is_lost() -> None:
    console, out = make(is_terminal=True)
    console.fact("signature", KEY + KEY)
    shown = lines(out)
    assert shown[0] == "  signature"
    assert "".join(line.strip() for line in shown[1:]) == KEY + KEY
    assert all(line.startswith("      ") and len(line) <= 80 for line in shown[1:])


def test_wrapped_lines_go_on_under_their_beginning() -> None:
    console, out = make(is_terminal=True, width=40)
    console.fact("members", "aaaa bbbb cccc")
    console.bad("one two three four five six seven eight nine")
    console.say("  one two three four five six seven eight nine")
    console.columns([("gas", "others"), ("send", "Hyperlane 75k, LayerZero 90k, Axelar")])
    assert lines(out) == [
        f"  {'members':<25}aaaa bbbb",
        f"  {'':<25}cccc",
        "  ✗ one two three four five six seven",
        "    eight nine",
        "  one two three four five six seven",
        "  eight nine",
        "  gas    others",
        "  send   Hyperlane 75k, LayerZero 90k,",
        "         Axelar",
    ]
