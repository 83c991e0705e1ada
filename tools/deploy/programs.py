# SPDX-License-Identifier: MIT
"""Finds the programs that judge deploy/. Those written in Go are built here, at the versions of go.mod."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tools._toolchain import ROOT

HERE: Final = ROOT / "tools" / "deploy"
BIN: Final = HERE / "bin"
VENV_BIN: Final = ROOT / ".venv-deploy" / "bin"

#: Where Go's own archive puts it, besides PATH.
_GO: Final = Path("/usr/local/go/bin/go")
_GO_PACKAGES: Final = {
    "compose-go": "github.com/compose-spec/compose-go/v2/cmd",
    "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
    "promtool": "github.com/prometheus/prometheus/cmd/promtool",
}
#: Without the clients of twenty clouds, which find targets there, it is built in a minute.
_TAGS: Final = "remove_all_sd"
_BUILD_S: Final = 240


class MissingProgramError(Exception):
    """A program can't be had on this machine; the text says what would bring it."""


def find_program(name: str) -> Path:
    """Return a program's path, building it where it is one of Go's. Raises MissingProgramError."""
    if name in _GO_PACKAGES:
        return _build(name)
    local = VENV_BIN / name
    found = local if local.is_file() else shutil.which(name)
    if found is None:
        raise MissingProgramError(f"{name} is not installed")
    return Path(found)


def _build(name: str) -> Path:
    target = BIN / name
    pins = (HERE / "go.mod").stat().st_mtime
    if target.is_file() and target.stat().st_mtime >= pins:
        return target
    go = shutil.which("go") or (str(_GO) if _GO.is_file() else None)
    if go is None:
        found = shutil.which(name)
        if found is None:
            raise MissingProgramError(f"{name} is not installed, and there is no Go to build it")
        return Path(found)
    BIN.mkdir(exist_ok=True)
    try:
        done = subprocess.run(
            [go, "build", "-trimpath", "-tags", _TAGS, "-o", target, _GO_PACKAGES[name]],
            cwd=HERE,
            # The Go that is here, and no other that it would fetch.
            env=os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"},
            capture_output=True,
            check=False,
            text=True,
            timeout=_BUILD_S,
        )
    except subprocess.TimeoutExpired:
        raise MissingProgramError(f"Go did not build {name} within {_BUILD_S} s") from None
    if done.returncode != 0:
        lines = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise MissingProgramError(f"Go could not build {name}: {lines}")
    # A build from the cache keeps no newer time by itself.
    target.touch()
    return target
