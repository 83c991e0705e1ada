# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.case import Case, expect, folders, refuse, run_all, run_folder, skip_folder


def with_marks(name: str) -> object:
    """A folder whose module talks to a local chain says so with `NETWORK`."""
    talks = getattr(folders()[name], "NETWORK", False)
    return pytest.param(name, marks=[pytest.mark.network] if talks else [])


@pytest.mark.parametrize("name", [with_marks(name) for name in sorted(folders())])
def test_the_shared_vectors_hold(shared_vectors: Path, name: str) -> None:
    verdict = run_folder(folders()[name], shared_vectors / name)
    assert verdict.failures == {}
    assert verdict.passed > 0


def test_every_folder_is_run_or_skipped_with_a_reason(shared_vectors: Path) -> None:
    for folder in shared_vectors.iterdir():
        if folder.is_dir() and folder.name not in folders():
            verdict = skip_folder(folder)
            assert verdict.skipped > 0
            assert all(verdict.skips)


class Failing:
    FOLDER = "made"

    def cases(self, folder: Path) -> Iterator[Case]:
        yield Case("good", lambda: expect("one", 1, 1))
        yield Case("bad", lambda: expect("one", 1, 2))
        yield Case("raises", lambda: refuse("nothing", dict, ValueError))
        yield Case("good refusal", lambda: refuse("a word", lambda: int("x"), ValueError))
        yield Case("other", skipped="not now")


def test_failures_are_counted_and_do_not_stop_the_rest(tmp_path: Path) -> None:
    verdict = run_folder(Failing(), tmp_path)
    assert (verdict.passed, verdict.skipped, verdict.failed) == (2, 1, 2)
    assert verdict.failures["bad"] == "AssertionError: one: found 1, expected 2"
    assert verdict.as_json()["skips"] == {"not now": 1}


def test_folders_that_nobody_reads_are_skipped_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "strange" / "deep").mkdir(parents=True)
    (tmp_path / "strange" / "deep" / "a.json").write_text("{}")
    verdicts = run_all(tmp_path)
    assert list(verdicts) == ["strange"]
    assert verdicts["strange"].skips == {"no module of tests/conformance reads this folder yet": 1}
    assert run_all(tmp_path, ["other"]) == {}
