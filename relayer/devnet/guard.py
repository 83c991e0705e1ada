# SPDX-License-Identifier: MIT
"""Run a program and kill it when whoever started us is gone: the parent-death signal, for systems that have none.

Used as `python -I -S guard.py PROGRAM ARGUMENT...` with a pipe as standard input, whose other end the parent holds and
never writes to. The kernel closes it when the parent ends, however it ends. Standard library only, and nothing of Postroad.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import FrameType


def main(words: list[str]) -> int:
    """Run the program until it ends, we are told to end, or standard input ends; return the program's exit code."""
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL)

    def forward(_signal: int, _frame: FrameType | None) -> None:
        child.terminate()

    signal.signal(signal.SIGTERM, forward)

    def watch() -> None:
        while os.read(0, 1):
            pass
        child.kill()

    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    # The watching thread blocks in a read that nothing interrupts, so the usual way out would wait for it.
    os._exit(main(sys.argv[1:]))
