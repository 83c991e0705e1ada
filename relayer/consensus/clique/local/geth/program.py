# SPDX-License-Identifier: MIT
"""Where go-ethereum's program is: named, built before, or built now by Go."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from relayer.devnet.errors import ChainStartError, ProgramMissing
from relayer.devnet.process.toolchain import cache_folder

VERSION: Final = "1.13.15"
#: Names the program; its word is final.
VARIABLE: Final = "POSTROAD_GETH"
_MODULE: Final = f"github.com/ethereum/go-ethereum/cmd/geth@v{VERSION}"
#: A slow machine compiles for ten minutes.
_BUILD_TIMEOUT_S: Final = 1800


def is_built() -> bool:
    """Return whether the program is named, or was built before."""
    return bool(os.environ.get(VARIABLE)) or _built().is_file()


def is_at_hand() -> bool:
    """Return whether the program is named or built, or Go is there to build it."""
    return is_built() or shutil.which("go") is not None


def provide(tell: Callable[[str], None]) -> Path:
    """Return the program's absolute path, and build it first where need be, which takes minutes; it is kept.

    Raises:
        ProgramMissing: it is named and can't be run, or there is nothing to build it with.
        ChainStartError: building it failed.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not os.access(named, os.X_OK) or not Path(named).is_file():
            raise ProgramMissing(
                f"{VARIABLE} names {named}, which is not a program that can be run",
                f"geth {VERSION}",
                "Correct it, or unset it.",
            )
        return Path(named).resolve()
    built = _built()
    if not built.is_file():
        tell(f"Go builds go-ethereum {VERSION}, once: that takes some minutes …")
        _build(built)
    return built


def _built() -> Path:
    return cache_folder() / f"geth-{VERSION}" / "geth"


def _build(program: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise ProgramMissing(
            "neither geth nor Go to build it",
            f"a path to geth {VERSION} in {VARIABLE}, or go on PATH",
            "Leave out the option geth, and a front seals the chain.",
        )
    program.parent.mkdir(parents=True, exist_ok=True)
    # Whoever looks meanwhile sees a whole program or none.
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        # Its linker names are older than what Go 1.23 and newer allow.
        words = [go, "install", "-ldflags=-checklinkname=0", _MODULE]
        try:
            done = subprocess.run(
                words,
                env=os.environ | {"GOBIN": folder},
                capture_output=True,
                check=False,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=_BUILD_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ChainStartError(f"{' '.join(words)}: {error}", "a build that ends well") from error
        if done.returncode != 0:
            said = " | ".join(done.stderr.strip().splitlines()[-5:])
            raise ChainStartError(
                f"{' '.join(words)} ended with code {done.returncode} and said: {said}",
                "a build that ends well",
                f"Name a geth {VERSION} in {VARIABLE}, or leave out the option geth.",
            )
        (Path(folder) / "geth").replace(program)
