# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from relayer.devnet.process import process_identity as processes
from relayer.devnet.process.process_identity import is_same_process, start_mark


@pytest.mark.parametrize("has_proc", [True, False], ids=["/proc", "ps"])
def test_a_process_is_told_from_a_later_one(monkeypatch: pytest.MonkeyPatch, has_proc: bool) -> None:
    if has_proc and not Path("/proc/self/stat").exists():
        pytest.skip("no /proc on this system")
    if not has_proc:
        try:
            subprocess.run(["ps", "-o", "lstart=", "-p", "1"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no ps on this system")
    monkeypatch.setattr(processes, "_HAS_PROC", has_proc)
    mine = start_mark(os.getpid())
    assert mine
    assert is_same_process(os.getpid(), mine)
    assert not is_same_process(os.getpid(), mine + "1")
    assert not is_same_process(os.getpid(), "")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        mark = start_mark(child.pid)
        assert is_same_process(child.pid, mark)
        child.kill()
        child.wait()
        assert not is_same_process(child.pid, mark)


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
def test_what_is_no_process_has_no_mark(pid: int) -> None:
    assert start_mark(pid) == ""
    assert not is_same_process(pid, "")
