# SPDX-License-Identifier: MIT
"""`postroad demo` as a process, and the processes that it starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

TIMEOUT_S: Final = 120
_DEMO: Final = (sys.executable, "-m", "relayer.cli", "demo")


def start(folder: Path, *words: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start it in a folder, where its temporary files are as well."""
    environment = os.environ | {"TMPDIR": str(folder), "TERM": "xterm"}
    return subprocess.Popen([*_DEMO, *words], cwd=folder, env=environment, **options)


def run(
    folder: Path, *words: str, timeout_s: float = TIMEOUT_S, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, whatever the exit code."""
    return subprocess.run(
        [*_DEMO, *words],
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder)} | environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def children_of(pid: int) -> set[int]:
    """Every process below one, by the kernel's own list."""
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(path.parent.name)
            found |= {child} | children_of(child)
    return found


def await_children(pid: int) -> set[int]:
    """What a process has started, once it has started anything."""
    ends_at = time.monotonic() + TIMEOUT_S
    while not (found := children_of(pid)):
        assert time.monotonic() < ends_at, "it started no chain"
        time.sleep(0.02)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
