# SPDX-License-Identifier: MIT
"""What commands print with: encodings that lack characters, widths, amounts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from relayer.cli import output
from relayer.cli.output import print_table, say


@pytest.mark.parametrize("encoding", ["gbk", "cp936", "latin-1", "ascii", "gb18030", "utf-8"])
def test_no_encoding_of_a_console_ends_a_command(encoding: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "relayer.cli", "doctor", "-c", str(tmp_path / "none.toml")],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    out = done.stdout.decode(encoding)
    assert b"UnicodeEncodeError" not in done.stderr
    mark = "✓" if encoding in {"utf-8", "gb18030"} else "ok"
    assert out.startswith(f"{mark} Python: ")


def test_what_a_stream_lacks_is_replaced_on_stderr_too() -> None:
    script = (
        "import sys; from relayer.cli.output import replace_what_is_missing\n"
        "replace_what_is_missing(sys.stdout, sys.stderr)\n"
        "for stream in (sys.stdout, sys.stderr): stream.write('✓ court → port … é')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert done.stdout == done.stderr == b"ok court -> port ... ?"


ID, OTHER = "0x" + "ab" * 32, "0x" + "cd" * 32


@pytest.fixture(params=[80, 160])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many columns the terminal has that stdout is now."""
    columns = int(request.param)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(output, "_is_watched", lambda: True)
    return columns


def printed(capsys: pytest.CaptureFixture[str], width: int) -> str:
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= width
    return out


def test_a_long_line_goes_on_under_its_beginning_and_no_word_is_cut(
    capsys: pytest.CaptureFixture[str], width: int
) -> None:
    say(f"  a fact that is about {ID} and about {OTHER}, said in a line that is rather long for a terminal")
    out = printed(capsys, width)
    assert ID in out
    assert OTHER in out
    first, *others = out.splitlines()
    assert first.startswith("  a fact")
    assert others
    assert all(line.startswith(" " * 6) for line in others)


def test_text_of_others_is_no_markup(capsys: pytest.CaptureFixture[str], width: int) -> None:
    say("[bold]not bold[/]", mark="!", style="yellow")
    assert printed(capsys, width) == "! [bold]not bold[/]\n"


def test_no_cell_of_a_table_is_cut(capsys: pytest.CaptureFixture[str], width: int) -> None:
    why = "finality: its block is not final yet, and the chain takes some minutes for that as a rule"
    print_table(
        ("message", "from → to", "since", "waits for"),
        [(ID, "court → port #1", "3 s", why), (OTHER, "port → court #2", "4 s", "turn")],
        empty="",
    )
    out = printed(capsys, width)
    assert ID in out
    assert OTHER in out
    assert "court → port #1" in out
    # Where it does not fit beside its fellows, a row is a heading and lines.
    assert (f"{ID}\n  from → to  court → port #1\n" in out) is (width < 100)


def test_a_narrow_table_stays_one(capsys: pytest.CaptureFixture[str], width: int) -> None:
    print_table(("name", "height"), [("court", "12"), ("port", "3")], empty="")
    assert printed(capsys, width) == "name   height\ncourt  12\nport   3\n"


# --- what takes long ----------------------------------------------------------------------------------------


def test_what_takes_long_is_said_where_nobody_looks_and_only_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_PATIENCE_S", 0.01)
    with output.doing("Proving it"):
        time.sleep(0.2)
    with output.doing("Quick"):
        pass
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Proving it …\n")


def test_with_json_nothing_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_PATIENCE_S", 0.0)
    context = click.Context(click.Command("x"))
    context.params["as_json"] = True
    with context, output.doing("Proving it"):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""
