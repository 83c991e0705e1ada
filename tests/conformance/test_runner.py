# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.conformance.case import Case, cases_in, expect, read_json, refuse
from tests.conformance.registry import suites
from tests.conformance.runner import Failure, run_all, run_folder


class Failing:
    FOLDER = "made"

    def cases(self, folder: Path) -> Iterator[Case]:
        yield Case("good", lambda: expect("one", 1, 1))
        yield Case("bad", lambda: expect("one", 1, 2))
        yield Case("raises", lambda: refuse("nothing", dict, ValueError))
        yield Case("good refusal", lambda: refuse("a word", lambda: int("x"), ValueError))
        yield Case("other", skipped="not now")
        yield Case("bad", lambda: expect("two", 2, 1), path=folder / "a.json")
        raise OverflowError("no more")


def test_failures_are_counted_and_do_not_stop_the_rest(tmp_path: Path) -> None:
    verdict = run_folder(Failing(), tmp_path)
    assert (verdict.passed, verdict.skipped, verdict.failed) == (2, 1, 4)
    here = tmp_path.name
    assert verdict.failures == [
        Failure(here, "bad", "AssertionError: one: found 1, expected 2"),
        Failure(here, "raises", "AssertionError: nothing: found {}, expected a rejection"),
        Failure(f"{here}/a.json", "bad", "AssertionError: two: found 2, expected 1"),
        Failure(here, "reading", "OverflowError: no more"),
    ]
    assert verdict.as_json()["skips"] == {"not now": 1}


def test_failures_of_one_name_are_all_reported(tmp_path: Path) -> None:
    class Twice:
        FOLDER = "made"

        def cases(self, _: Path) -> Iterator[Case]:
            yield from [Case("same", lambda: expect("one", 1, 2))] * 2

    failures = run_folder(Twice(), tmp_path).as_json()["failures"]
    assert isinstance(failures, dict)
    assert list(failures) == [f"{tmp_path.name}: same", f"{tmp_path.name}: same (again)"]


def test_folders_that_nobody_reads_are_skipped_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "strange" / "deep").mkdir(parents=True)
    (tmp_path / "strange" / "deep" / "a.json").write_text("{}")
    verdicts = run_all(tmp_path, suites())
    assert list(verdicts) == ["strange"]
    assert verdicts["strange"].skips == {"no suite reads this folder yet": 1}
    assert run_all(tmp_path, suites(), ["other"]) == {}


def test_files_that_no_case_was_read_from_are_skipped(tmp_path: Path) -> None:
    class Reading:
        FOLDER = "made"

        def cases(self, folder: Path) -> Iterator[Case]:
            yield from cases_in(folder / "read.json", lambda path: [Case(path.stem)])
            yield from cases_in(folder / "part", lambda path: [Case(path.stem)])
            yield from cases_in(folder / "absent.json", read_json)

    (tmp_path / "part" / "deep").mkdir(parents=True)
    for name in ("read.json", "other.json", "part/deep/a.json"):
        (tmp_path / name).write_text("{}")
    verdict = run_folder(Reading(), tmp_path)
    assert (verdict.passed, verdict.failures) == (2, [])
    assert verdict.skips == {"not among these vectors": 1, "a file that the suite does not read": 1}


def test_vectors_that_a_package_brings_itself_may_lie_elsewhere(tmp_path: Path) -> None:
    class Elsewhere:
        FOLDER = "made"

        def cases(self, folder: Path) -> Iterator[Case]:
            yield Case("bad", lambda: expect("one", 1, 2), path=folder.parent / "elsewhere.json")

    (tmp_path / "made").mkdir()
    (failure,) = run_folder(Elsewhere(), tmp_path / "made").failures
    assert failure.file == (tmp_path / "elsewhere.json").as_posix()
