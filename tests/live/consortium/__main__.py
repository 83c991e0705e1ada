# SPDX-License-Identifier: MIT
"""`python -m tests.live.consortium PLATFORM`: a real network of validators, whose program an environment
variable names.

Exits with 1 when anything was not as it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.live.consortium.besu import Besu
from tests.live.consortium.goquorum import GoQuorum
from tests.live.consortium.run import run
from tests.live.consortium.validators import Platform

#: The runs of every platform, by name, and what makes the platform of its program.
RUNS: Mapping[str, Mapping[str, Callable[[Path], Platform]]] = {
    "goquorum": {
        "qbft": GoQuorum,
        "ibft": partial(GoQuorum, dialect="ibft"),
        "migration": partial(GoQuorum, dialect="ibft", migrates_at=220),
    },
    "besu": {
        "qbft": partial(Besu, transition_at=80),
        "ibft2": partial(Besu, dialect="ibft2", storage="FOREST"),
        "migration": partial(Besu, dialect="ibft2", migrates_at=90),
        "contract": partial(Besu, by_contract=True),
        "fees": partial(Besu, has_fees=True),
    },
}
_TEST_LINE = "{}: {} passed, {} failed"


def main() -> int:
    """Do the runs of a platform; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.consortium", description=__doc__)
    parser.add_argument("platform", choices=sorted(RUNS))
    parser.add_argument("runs", nargs="*", metavar="RUN", help="the platform's, all when none is named")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and data")
    words = parser.parse_args()
    known = RUNS[words.platform]
    if not set(words.runs) <= set(known):
        parser.error(f"runs of {words.platform} are {', '.join(known)}")
    variable = f"POSTROAD_{words.platform.upper()}"
    program = Path(os.environ.get(variable, ""))
    if not program.is_file() or not os.access(program, os.X_OK):
        print(f"error: {variable} is {str(program)!r}; expected the path of the platform's program")
        return 1
    chosen = words.runs or list(known)
    failed = [name for name in chosen if not _attempt(name, known[name](program), keep=words.keep)]
    print(_TEST_LINE.format(f"live-{words.platform}", len(chosen) - len(failed), len(failed)))
    return 1 if failed else 0


def _attempt(name: str, platform: Platform, *, keep: bool) -> bool:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{platform.name} {name} {time.monotonic() - began:5.0f} s] {text}", flush=True)

    folder = Path(tempfile.mkdtemp(prefix="postroad-live-"))
    try:
        if keep:
            say(f"logs and data stay in {folder}")
        try:
            outcome = asyncio.run(run(platform, folder, say))
        except Exception:  # noqa: BLE001  whatever it is, another run still counts
            say("FAILED\n" + traceback.format_exc())
            return False
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    width = max(len(label) for label, _ in outcome.rows)
    for label, text in outcome.rows:
        print(f"  {label:<{width}}  {text}")
    for what, height in outcome.events:
        print(f"  {f'block {height}':<{width}}  {what}")
    for failure in outcome.failures:
        print(f"  FAILED: {failure}")
    say("FAILED" if outcome.failures else "passed")
    return not outcome.failures


if __name__ == "__main__":
    sys.exit(main())
