# SPDX-License-Identifier: MIT
"""Run the shared vectors and say, folder by folder, how many cases passed, were skipped and failed.

    python -m tests.conformance [-v] [FOLDER ...]

Writes .bench/conformance.json. Exits with 1 when a case failed, with 2 when a folder that was asked for is not there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from tests.conformance.case import Verdict, run_all

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / ".bench" / "conformance.json"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance", description="Run the shared vectors."
    )
    parser.add_argument("folder", nargs="*", help="only these folders of the vectors")
    parser.add_argument("-v", "--verbose", action="store_true", help="say why cases were skipped")
    asked = parser.parse_args()
    root = Path(os.environ.get("POSTROAD_VECTORS") or ROOT.parent / "shared" / "vectors")
    if not root.is_dir():
        print(
            f"conformance: no vectors at {root}; set POSTROAD_VECTORS to a folder of them. Nothing was checked."
        )
        return 2 if os.environ.get("POSTROAD_VECTORS") or asked.folder else 0
    verdicts = run_all(root, asked.folder)
    missing = set(asked.folder) - verdicts.keys()
    if missing:
        print(f"conformance: no folder {', '.join(sorted(missing))} in {root}", file=sys.stderr)
        return 2
    report(verdicts, verbose=asked.verbose)
    return 1 if any(verdict.failed for verdict in verdicts.values()) else 0


def report(verdicts: dict[str, Verdict], *, verbose: bool) -> None:
    total = {
        name: sum(getattr(verdict, name) for verdict in verdicts.values())
        for name in ("passed", "skipped", "failed")
    }
    print(f"{'folder':<18}{'passed':>8}{'skipped':>9}{'failed':>8}")
    for name, verdict in verdicts.items():
        print(f"{name:<18}{verdict.passed:>8}{verdict.skipped:>9}{verdict.failed:>8}")
        if verbose:
            for reason, count in verdict.skips.items():
                print(f"    skipped {count}: {reason}")
        for case, error in verdict.failures.items():
            print(f"    FAILED {case}: {error}")
    print(f"{'all':<18}{total['passed']:>8}{total['skipped']:>9}{total['failed']:>8}")
    REPORT.parent.mkdir(exist_ok=True)
    folders = {name: verdict.as_json() for name, verdict in verdicts.items()}
    REPORT.write_text(json.dumps(total | {"folders": folders}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
