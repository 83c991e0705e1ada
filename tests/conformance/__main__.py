# SPDX-License-Identifier: MIT
"""Run the shared vectors and say, folder by folder, how many cases passed, were skipped and failed.

    python -m tests.conformance [-v] [FOLDER ...]

Writes .bench/conformance.json. Exits with 1 when a case failed; with 2 when there is nothing to check: no
vectors where POSTROAD_VECTORS points, a folder that was asked for and is not there, or no folder that any
suite reads.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Collection, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from tests.conformance.registry import suites
from tests.conformance.runner import Verdict, run_all

ROOT: Final = Path(__file__).resolve().parents[2]
REPORT: Final = ROOT / ".bench" / "conformance.json"


def main(arguments: Sequence[str] | None = None, report: Path = REPORT) -> int:
    """Run what the command line and POSTROAD_VECTORS ask for, write the report, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance", description="Run the shared vectors."
    )
    parser.add_argument("folder", nargs="*", help="only these folders of the vectors")
    parser.add_argument("-v", "--verbose", action="store_true", help="say why cases were skipped")
    asked = parser.parse_args(arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        # A vector's name or text may hold what the terminal cannot show.
        sys.stdout.reconfigure(errors="backslashreplace")
    told = os.environ.get("POSTROAD_VECTORS")
    root = Path(told) if told else ROOT.parent / "shared" / "vectors"
    if not told and not asked.folder and not root.exists():
        print(
            f"conformance: no vectors at {root}; set POSTROAD_VECTORS to a folder of them. Nothing was checked."
        )
        return 0
    known = suites()
    fault = find_fault(root, known, asked.folder)
    if fault is not None:
        print(f"conformance: {fault} Nothing was checked.", file=sys.stderr)
        return 2
    verdicts = run_all(root, known, asked.folder)
    show(verdicts, verbose=asked.verbose)
    write(verdicts, report)
    return 1 if any(verdict.failed for verdict in verdicts.values()) else 0


def find_fault(root: Path, known: Collection[str], asked: Collection[str]) -> str | None:
    """Why nothing can be checked: what was found, what was expected and what to do. None when something can
    be.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        return f"found {found} at {root}, expected a folder of vectors: set POSTROAD_VECTORS to one."
    there = {path.name for path in root.iterdir()}
    missing = set(asked) - there
    if missing:
        return (
            f"no folder {', '.join(sorted(missing))} in {root}; it has {', '.join(sorted(there)) or 'none'}."
        )
    if not asked and there.isdisjoint(known):
        hint = f" {root} is itself one of these folders: name the one above it." if root.name in known else ""
        return (
            f"found no folder in {root} that a suite reads, expected one of {', '.join(sorted(known))}.{hint}"
        )
    return None


def show(verdicts: dict[str, Verdict], *, verbose: bool) -> None:
    """Print a line a folder, every failure, and when asked why cases were skipped."""
    print(f"{'folder':<20}{'passed':>8}{'skipped':>9}{'failed':>8}")
    for name, verdict in verdicts.items():
        print(f"{name:<20}{verdict.passed:>8}{verdict.skipped:>9}{verdict.failed:>8}")
        if verbose:
            for reason, count in verdict.skips.items():
                print(f"    skipped {count}: {reason}")
        for failure in verdict.failures:
            print(f"    FAILED {failure}")
    total = sum_up(verdicts)
    print(f"{'all':<20}{total['passed']:>8}{total['skipped']:>9}{total['failed']:>8}")


def write(verdicts: dict[str, Verdict], report: Path) -> None:
    """Write the report: the counts of all folders together, then everything of every folder."""
    folders = {name: verdict.as_json() for name, verdict in verdicts.items()}
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(sum_up(verdicts) | {"folders": folders}, indent=1) + "\n", encoding="utf-8")


def sum_up(verdicts: dict[str, Verdict]) -> dict[str, object]:
    """How many cases of all folders passed, were skipped and failed."""
    return {
        name: sum(getattr(verdict, name) for verdict in verdicts.values())
        for name in ("passed", "skipped", "failed")
    }


if __name__ == "__main__":
    sys.exit(main())
