# SPDX-License-Identifier: MIT
"""Runs the test of a mutation on a copy of the contracts, as they are and mutated."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.mutants.mutation import Mutation
from tools._toolchain import toolchain

ROOT: Final = Path(__file__).resolve().parents[2]
SOLIDITY: Final = ROOT / "solidity"
_TIMEOUT_S: Final = 600
#: Folders that forge makes, and the packages, which are linked instead of copied.
_LEFT_OUT: Final = ("node_modules", "out", "cache", "snapshots")

Verdict = Literal["killed", "survived", "broken"]


@dataclass(frozen=True)
class Outcome:
    """What became of a mutation.

    Attributes:
        mutation: which one.
        verdict: `killed`; `survived`, where its test passes all the same; `broken`, where that test does not
            pass on the contracts as they are, is not there, or the mutated contracts do not compile.
        told: why it is broken, or how many of the tests that it names failed.
        took_s: how long both runs took.
    """

    mutation: Mutation
    verdict: Verdict
    told: str
    took_s: float


class Workshop:
    """A copy of solidity/ in which sources may be changed."""

    def __init__(self, folder: Path) -> None:
        self._solidity = folder / "solidity"
        shutil.copytree(SOLIDITY, self._solidity, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        (self._solidity / "node_modules").symlink_to(SOLIDITY / "node_modules")
        # The settings name the compiler by a path beside solidity/.
        (folder / "tools").symlink_to(ROOT / "tools")
        self._healthy: dict[str, str | None] = {}

    def try_out(self, mutation: Mutation) -> Outcome:
        """Run the mutation's test on the contracts as they are, then mutated."""
        started = time.monotonic()
        verdict, told = self._judge(mutation)
        return Outcome(mutation, verdict, told, time.monotonic() - started)

    def _judge(self, mutation: Mutation) -> tuple[Verdict, str]:
        # A test that fails anyway, or that is not there, would kill everything or nothing.
        if mutation.killer not in self._healthy:
            self._healthy[mutation.killer] = self._find_fault(mutation)
        if (fault := self._healthy[mutation.killer]) is not None:
            return "broken", fault
        path = self._solidity / "src" / mutation.source
        text = path.read_text(encoding="utf-8")
        path.write_text(mutation.apply_to(text), encoding="utf-8")
        try:
            passed, failed, told = self._run(mutation)
        finally:
            path.write_text(text, encoding="utf-8")
        if passed + failed == 0:
            return "broken", f"mutated, it does not compile: {told}"
        return ("killed" if failed else "survived"), f"{failed} of {passed + failed} tests failed"

    def _find_fault(self, mutation: Mutation) -> str | None:
        passed, failed, told = self._run(mutation)
        if passed + failed == 0:
            return f"no test {mutation.killer} was run: {told}"
        return f"{mutation.killer} fails on the contracts as they are" if failed else None

    def _run(self, mutation: Mutation) -> tuple[int, int, str]:
        """Return how many tests passed and failed, and what forge said where it ran none."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FOUNDRY_")}
        environment |= {
            "FOUNDRY_GAS_SNAPSHOT_EMIT": "false",
            "FOUNDRY_FUZZ_SEED": "0x1",
            "FOUNDRY_FUZZ_RUNS": "256",
        }
        if mutation.file.startswith("deep/"):
            environment["FOUNDRY_PROFILE"] = "deep"
        words = ["test", "--json", "--match-path", f"test/{mutation.file}"]
        words += [
            "--match-test",
            f"^{re.escape(mutation.test)}$" if "(" in mutation.test else f"^{mutation.test}\\(",
        ]
        done = subprocess.run(
            [str(toolchain.find_forge()), *words],
            cwd=self._solidity,
            env=environment,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_TIMEOUT_S,
        )
        try:
            suites = json.loads(done.stdout[done.stdout.index("{") :])
        except ValueError:
            return 0, 0, (done.stdout + done.stderr).strip()[-400:]
        results = [test["status"] for suite in suites.values() for test in suite["test_results"].values()]
        failed = sum(status != "Success" for status in results)
        return len(results) - failed, failed, ""


@contextmanager
def workshop() -> Iterator[Workshop]:
    """A workshop in a temporary folder, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="postroad-mutants-") as folder:
        yield Workshop(Path(folder))


def choose(mutations: Sequence[Mutation], names: Sequence[str]) -> list[Mutation]:
    """Return the mutations whose name begins with one of these texts; all of them without any."""
    return [item for item in mutations if not names or item.name.startswith(tuple(names))]
