# SPDX-License-Identifier: MIT
"""Run a program that ends when whoever started it ends, however that is.

Used as `python -I -S child_guard.py signal|watch PARENT PROGRAM ARGUMENT...`. With `signal` (Linux) this
process asks the kernel for SIGKILL at its parent's death, and becomes the program. With `watch` (anywhere) it
stays, runs the program as a child, and kills it when its standard input ends: a pipe whose other end the
parent holds and never writes to. Standard library only, and nothing of Postroad. A process of its own, for
code between fork and exec is unsafe where threads run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from types import FrameType
from typing import Final, NoReturn

#: The number is that of <linux/prctl.h>.
_PR_SET_PDEATHSIG: Final = 1
#: Shells end with the same code where they find no program.
_FAILED: Final = 127


def become(parent: int, words: list[str]) -> NoReturn:
    """Replace this process by the program, which then dies with the thread that started this process."""
    asked = ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0
    # The parent may have gone before we asked; then somebody else has adopted us.
    if not asked or os.getppid() != parent:
        os._exit(_FAILED)
    os.execv(words[0], words)  # noqa: S606  no shell is the point


def watch(words: list[str]) -> int:
    """Run the program until it, standard input or this process has to end; return the program's exit code."""
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL)

    def forward(_signal: int, _frame: FrameType | None) -> None:
        child.terminate()

    def wait_for_the_end() -> None:
        while os.read(0, 1):
            pass
        child.kill()

    signal.signal(signal.SIGTERM, forward)
    threading.Thread(target=wait_for_the_end, daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def main(mode: str, parent: str, *words: str) -> NoReturn:
    """Do what the command line says."""
    try:
        if mode == "signal":
            become(int(parent), list(words))
        code = watch(list(words))
    except OSError as error:
        print(f"{words[0]} does not run: {error}", file=sys.stderr, flush=True)  # noqa: T201  read by our parent
        code = _FAILED
    # The watching thread blocks in a read that nothing interrupts, so the usual way out would wait for it.
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
