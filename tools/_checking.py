# SPDX-License-Identifier: MIT
"""What checks of finished packages have in common: programs that are run, and what they must end with."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: Of a program; a slow line has to fetch some 100 MB once.
_TIMEOUT_S: Final = 600


class CheckError(RuntimeError):
    """A package is not what it should be, or what uses it fails."""


def run(words: list[str], folder: Path, environment: Mapping[str, str], *, code: int = 0) -> str:
    """Run a program, and return what it wrote; with another code than 0, its errors too.

    Raises CheckError when it takes too long, or ends with another code than `code`.
    """
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if code == 0 else subprocess.STDOUT,
            check=False,
            text=True,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckError(f"{' '.join(words)} took over {_TIMEOUT_S} s") from error
    if done.returncode != code:
        said = "\n".join(((done.stdout or "") + (done.stderr or "")).splitlines()[-25:])
        raise CheckError(f"{' '.join(words)} ended with {done.returncode}, expected {code}:\n{said}")
    return done.stdout
