# SPDX-License-Identifier: MIT
"""Run the cases of folders of vectors, and count what passed, what was skipped and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.case import Case, guarded
from tests.conformance.registry import NOT_SERVED, Suite


@dataclass(frozen=True)
class Failure:
    """A case that failed.

    Attributes:
        file: that it was read from, as a path below the vectors; the suite's folder where the suite itself
            failed.
        case: its name.
        error: the exception's type and text.
    """

    file: str
    case: str
    error: str

    def __str__(self) -> str:
        return f"{self.file}: {self.case}: {self.error}"


@dataclass
class Verdict:
    """A folder's cases: how many passed, why some were skipped and how many, and which failed."""

    passed: int = 0
    skips: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    @property
    def skipped(self) -> int:
        return self.skips.total()

    @property
    def failed(self) -> int:
        return len(self.failures)

    def as_json(self) -> dict[str, object]:
        """The form of `.bench/conformance.json`."""
        counts = {"passed": self.passed, "skipped": self.skipped, "failed": self.failed}
        failures: dict[str, str] = {}
        for failure in self.failures:
            name = f"{failure.file}: {failure.case}"
            while name in failures:
                name += " (again)"
            failures[name] = failure.error
        return counts | {"skips": dict(self.skips), "failures": failures}


def run_all(root: Path, suites: Mapping[str, Suite], only: Collection[str] = ()) -> dict[str, Verdict]:
    """Run, or skip with a reason, every folder of the vectors, or those asked for. Nothing that a folder
    holds raises.
    """
    verdicts: dict[str, Verdict] = {}
    for path in sorted(root.iterdir()):
        if only and path.name not in only:
            continue
        if path.name in suites:
            verdicts[path.name] = run_folder(suites[path.name], path)
        elif path.is_dir():
            verdicts[path.name] = skip_folder(path)
    return verdicts


def run_folder(suite: Suite, folder: Path) -> Verdict:
    """Run every case of a folder; none stops another. Files that no case was read from are counted as
    skipped.
    """
    verdict = Verdict()
    if not folder.is_dir():
        error = "NotADirectoryError: found a file, expected a folder"
        verdict.failures.append(Failure(folder.name, "reading", error))
        return verdict
    read: set[Path] = set()
    for case in guarded("reading", lambda: suite.cases(folder)):
        read.add(case.path or folder)
        run_case(case, folder, verdict)
    unread = sum(path.is_file() and read.isdisjoint((path, *path.parents)) for path in folder.rglob("*"))
    if unread:
        verdict.skips["a file that the suite does not read"] = unread
    return verdict


def run_case(case: Case, folder: Path, verdict: Verdict) -> None:
    """Run one case and enter it into the verdict."""
    if case.skipped is not None:
        verdict.skips[case.skipped] += 1
        return
    try:
        case.check()
    except Exception as error:  # noqa: BLE001  a case may fail in any way, and the rest must still run
        path = case.path or folder
        # A package of somebody else may bring vectors of its own, which lie elsewhere.
        shown = path.relative_to(folder.parent) if path.is_relative_to(folder) else path
        verdict.failures.append(Failure(shown.as_posix(), case.name, f"{type(error).__name__}: {error}"))
    else:
        verdict.passed += 1


def skip_folder(folder: Path) -> Verdict:
    """A folder that no suite reads, a case a file."""
    reason = NOT_SERVED.get(folder.name, "no suite reads this folder yet")
    return Verdict(skips=Counter({reason: sum(path.is_file() for path in folder.rglob("*"))}))
