# SPDX-License-Identifier: MIT
"""`postroad new app`: what it writes and refuses; tests/e2e/test_new_app.py builds and runs the project."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from relayer.cli import main as root
from relayer.cli.exit_codes import ExitCode


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        root(["new", "app", *words])
    return int(caught.value.code or 0)


def test_it_writes_a_project_with_its_name_and_says_what_is_next(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("My-notes", "--dir", str(tmp_path / "here"), "--json") == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["directory"]) == ("My-notes", str(tmp_path / "here"))
    found = {
        path.relative_to(tmp_path / "here").as_posix(): path.read_text(encoding="utf-8")
        for path in (tmp_path / "here").rglob("*")
        if path.is_file()
    }
    assert told["files"] == sorted(found)
    assert {"contracts/src/Notes.sol", "contracts/test/Notes.t.sol", "client.py", ".gitignore"} <= set(found)
    assert not [name for name, text in found.items() if "{{" in text or name.endswith(".template")]
    assert found["README.md"].startswith("# My-notes\n")
    package = json.loads(found["package.json"])
    assert (package["name"], package["dependencies"]) == (
        "my-notes",
        {"postroad-contracts": f"^{version('postroad')}"},
    )


def test_without_a_folder_it_is_the_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    assert run("notes") == ExitCode.OK
    assert (tmp_path / "notes" / "client.py").is_file()
    assert "  forge test\n" in capsys.readouterr().out


def test_nothing_is_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    assert run("notes", "--dir", str(tmp_path), "--json") == ExitCode.CONFIG
    assert "already" in json.loads(capsys.readouterr().err)["error"]["found"]
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    "name", ["", "1st", "-x", "a b", "../up", "a/b", "a\n", "é", "a" * 65, 'a"b', "{{x}}"]
)
def test_a_name_that_means_something_else_somewhere_is_refused(
    capsys: pytest.CaptureFixture[str], name: str, tmp_path: Path
) -> None:
    assert run("--dir", str(tmp_path / "here"), "--", name) == ExitCode.USAGE
    assert "expected a letter" in capsys.readouterr().err
    assert not (tmp_path / "here").exists()
