# SPDX-License-Identifier: MIT
"""The scripts that shells complete with, and what is meant by a mistyped word."""

from __future__ import annotations

import json

import pytest

from relayer.cli import main
from relayer.cli.exit_codes import ExitCode


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(words)
    out, err = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, out, err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_calls_postroad_back(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    code, out, _ = run(capsys, "completion", shell)
    assert code == ExitCode.OK
    assert f"_POSTROAD_COMPLETE={shell}_complete" in out
    _, as_json, _ = run(capsys, "completion", shell, "--json")
    assert json.loads(as_json) == {"shell": shell, "script": out.removesuffix("\n")}


def test_the_call_lists_commands_and_options(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_POSTROAD_COMPLETE", "fish_complete")
    monkeypatch.setenv("COMP_WORDS", "postroad de")
    monkeypatch.setenv("COMP_CWORD", "de")
    assert "devnet" in run(capsys)[1]
    monkeypatch.setenv("COMP_WORDS", "postroad devnet up --ch")
    monkeypatch.setenv("COMP_CWORD", "--ch")
    assert "--chains" in run(capsys)[1]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["sned"], "'send'"),
        (["devnet", "stats"], "'status'"),
        (["pending", "--limt", "3"], "--limit"),
        (["config", "chek"], "'check'"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str], words: list[str], meant: str
) -> None:
    code, _, err = run(capsys, *words)
    assert code == ExitCode.USAGE
    assert "Did you mean" in err
    assert meant in err
    code, _, err = run(capsys, *words, "--json")
    assert code == ExitCode.USAGE
    assert meant in json.loads(err)["error"]["found"]


def test_a_word_like_no_other_gets_no_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean" not in run(capsys, "xyzzy")[2]
