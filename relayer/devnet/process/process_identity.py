# SPDX-License-Identifier: MIT
"""Telling a process from a later one that got the same id, so that a signal never meets a stranger."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Final

_PS_TIMEOUT_S: Final = 10
_HAS_PROC: Final = Path("/proc/self/stat").exists()


def start_mark(pid: int) -> str:
    """Text that two processes with the same id never share; empty when there is no such process (any more).

    On Linux it is the boot's id and the start time in clock ticks since then; elsewhere the start time as
    `ps` tells it.
    """
    if pid <= 0:
        return ""
    if _HAS_PROC:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        # The name, in parentheses, may hold anything; the fields after its last parenthesis are numbers.
        fields = stat.rpartition(")")[2].split()
        if fields[0] in {"Z", "X"}:
            return ""
        boot = ""
        with contextlib.suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{fields[19]}"
    try:
        done = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_PS_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def is_same_process(pid: int, mark: str) -> bool:
    """Return whether the process that had this mark still runs under this id."""
    return bool(mark) and start_mark(pid) == mark
