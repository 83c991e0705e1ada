# SPDX-License-Identifier: MIT
"""What `make deploy-check` tells of a check that passes, fails, or has no tool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.deploy import check
from tools.deploy.programs import MissingProgramError, find_program


def test_a_program_that_is_nowhere_is_told() -> None:
    with pytest.raises(MissingProgramError, match="no-such-program is not installed"):
        find_program("no-such-program")


def test_what_a_program_refuses_is_told(tmp_path: Path) -> None:
    assert check.run("sh", "-c", "echo said", folder=tmp_path) == "said\n"
    with pytest.raises(check.CheckFailedError, match="why not"):
        check.run("sh", "-c", "echo why not >&2; exit 3", folder=tmp_path)


def test_skipped_is_no_failure_and_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def well(folder: Path) -> None:
        (folder / "made").touch()

    def absent(_: Path) -> None:
        find_program("no-such-program")

    def wrong(_: Path) -> None:
        raise check.CheckFailedError("line 3: no")

    monkeypatch.setattr(check, "CHECKS", (("a", "tool", well), ("b", "tool", absent)))
    assert check.main() == 0
    assert "SKIPPED: no-such-program is not installed" in capsys.readouterr().out
    monkeypatch.setattr(check, "CHECKS", (("a", "tool", well), ("b", "tool", wrong)))
    assert check.main() == 1
    told = capsys.readouterr().out
    assert "line 3: no" in told
    assert told.endswith("deploy: 1 passed, 1 failed, 0 skipped\n")
