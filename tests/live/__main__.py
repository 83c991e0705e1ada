# SPDX-License-Identifier: MIT
"""`python -m tests.live [RUN...]`: real clients, one run after the other.

Exits with 1 when anything was not seen.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path

from tests.live.execution import Client, default_client
from tests.live.journey import Say
from tests.live.scenarios import run_capella, run_fulu
from tools.live import install

Run = Callable[[Path, Client, int, Say], Coroutine[None, None, None]]

RUNS: dict[str, Run] = {"lodestar": run_capella, "specification": run_fulu}
_NEEDS = {"lodestar": ("oracle", "specification", "lodestar"), "specification": ("oracle", "specification")}
_LEAST_PERIODS = 1


def main() -> int:
    """Install what is needed, do the runs, say how each ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.live", description=__doc__)
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help=f"{' and '.join(RUNS)}; all when none is named"
    )
    parser.add_argument(
        "--execution",
        choices=("geth", "ethereumjs"),
        default=default_client(),
        help="the execution client (%(default)s)",
    )
    parser.add_argument(
        "--periods", type=int, default=3, help="sync-committee periods to follow (%(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and data")
    words = parser.parse_args()
    runs = words.runs or list(RUNS)
    if not set(runs) <= set(RUNS) or words.periods < _LEAST_PERIODS:
        parser.error(f"runs are {', '.join(RUNS)}; at least {_LEAST_PERIODS} period")
    needed = dict.fromkeys([name for run in runs for name in _NEEDS[run]] + [words.execution])
    if install.main(list(needed)) != 0:
        return 1
    failed = [run for run in runs if not _attempt(run, words.execution, words.periods, keep=words.keep)]
    print(f"live-ethereum: {len(runs) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _attempt(run: str, execution: Client, periods: int, *, keep: bool) -> bool:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{run} {time.monotonic() - began:5.0f} s] {text}", flush=True)

    folder = tempfile.mkdtemp(prefix="postroad-live-")
    try:
        if keep:
            say(f"logs and data stay in {folder}")
        try:
            asyncio.run(RUNS[run](Path(folder), execution, periods, say))
        except Exception:  # noqa: BLE001  whatever it is, the other run still counts
            say("FAILED\n" + traceback.format_exc())
            # One folder deeper lie the programs' own data, some of it under the same ending.
            for log in sorted(Path(folder).glob("*/*.log")):
                end = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
                print(f"--- {log.name}\n" + "\n".join(line[:300] for line in end))
            return False
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    say("passed")
    return True


if __name__ == "__main__":
    sys.exit(main())
