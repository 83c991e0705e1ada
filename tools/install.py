# SPDX-License-Identifier: MIT
"""Install anvil, forge, solc and OpenZeppelin at their pinned versions. `make tools` runs this.

The Node of the virtual environment fetches them. A second run does nothing, and two runs at the same time
wait for each other. Standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools._toolchain import ROOT, toolchain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TOOLS: Final = ROOT / "tools"
SOLIDITY: Final = ROOT / "solidity"
BIN: Final = TOOLS / "bin"
STATE: Final = BIN / "installed.json"
LOCK: Final = BIN / ".lock"

#: What decides the result. A change in any of them installs again.
INPUTS: Final = (
    TOOLS / "package.json",
    TOOLS / "package-lock.json",
    TOOLS / "solc-shim.cjs",
    TOOLS / "install.py",
    toolchain.PINS,
    SOLIDITY / "package.json",
    SOLIDITY / "package-lock.json",
)

#: Long enough for 60 MB over a slow line.
NPM_TIMEOUT_S: Final = 900
#: No package here needs its install scripts, so none may run one.
NPM_OPTIONS: Final = (
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
)


class InstallError(RuntimeError):
    """A step failed; the text says which, why and what to do."""


def main() -> int:
    """Install what is missing, and print versions; return 0 when all programs run, else 1."""
    BIN.mkdir(exist_ok=True)
    try:
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if is_installed():
                say("already installed")
            else:
                STATE.unlink(missing_ok=True)
                install()
                report_versions()
                STATE.write_text(json.dumps({"inputs": hash_inputs()}) + "\n", encoding="utf-8")
    except (InstallError, toolchain.ToolNotFoundError) as error:
        print(f"tools: {error}", file=sys.stderr)
        return 1
    return 0


def install() -> None:
    """Run the steps in order, each with its name and time."""
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("solc (npm)", lambda: npm(TOOLS, "ci")),
        ("anvil and forge (npm)", install_foundry),
        ("OpenZeppelin contracts (npm)", lambda: npm(SOLIDITY, "ci")),
        ("compiler for forge", write_solc),
    )
    for number, (name, step) in enumerate(steps, start=1):
        say(f"[{number}/{len(steps)}] {name} ...", end=" ")
        started = time.monotonic()
        step()
        print(f"{time.monotonic() - started:.1f} s", flush=True)


def install_foundry() -> None:
    """Install the packages of this platform, and compare them with the pinned digests before anything runs.

    Raises InstallError where a digest differs, ToolNotFoundError where there are none.
    """
    packages = [toolchain.foundry_package(program) for program in ("anvil", "forge")]
    # Not saved: npm ci refuses a lock that lacks another platform's package.
    npm(
        TOOLS,
        "install",
        "--no-save",
        "--no-package-lock",
        *(f"{package.name}@{package.version}" for package in packages),
    )
    served = read_json(TOOLS / "node_modules" / ".package-lock.json")["packages"]
    for package in packages:
        found = served[f"node_modules/{package.name}"].get("integrity")
        if found != package.integrity:
            message = (
                f"{package.name} {package.version} is not what we pinned: found {found}, expected "
                f"{package.integrity}. Do not run it; find out who changed it."
            )
            raise InstallError(message)


def write_solc() -> None:
    """Write the executable that forge takes for solc.

    It names this machine's Node, so it is made here and not committed.
    """
    # forge would go on with what the compiler before this one made: it knows compilers by version alone.
    (SOLIDITY / "cache" / "solidity-files-cache.json").unlink(missing_ok=True)
    write_shim(BIN / "solc", TOOLS / "solc-shim.cjs")


def write_shim(program: Path, script: Path) -> None:
    """Write an executable that runs a script of ours with this machine's Node, in one step: a forge that runs
    meanwhile never meets half a file.
    """
    temporary = program.with_name(f".{program.name}.new")
    node = shell_quote(toolchain.find_node())
    temporary.write_text(
        f'#!/bin/sh\n# Made by tools/install.py.\nexec {node} {shell_quote(script)} "$@"\n', encoding="utf-8"
    )
    temporary.chmod(0o755)
    temporary.replace(program)


def npm(folder: Path, *words: str) -> None:
    """Run npm in a folder. Raises InstallError with npm's last lines when it fails."""
    path = f"{toolchain.find_node().parent}{os.pathsep}{os.environ.get('PATH', '')}"
    # A cache of its own, so that nothing is left in the home folder for what is fetched once.
    with tempfile.TemporaryDirectory(prefix="postroad-npm-") as cache:
        environment = os.environ | {
            "PATH": path,
            "CI": "true",
            "NODE_DISABLE_COMPILE_CACHE": "1",
            "npm_config_cache": cache,
        }
        run_npm(folder, environment, *words)


def run_npm(folder: Path, environment: Mapping[str, str], *words: str) -> None:
    """Run npm once, for at most NPM_TIMEOUT_S. Raises InstallError."""
    try:
        done = subprocess.run(
            [*toolchain.npm_command(), *words, *NPM_OPTIONS],
            cwd=folder,
            env=environment,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=NPM_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        message = f"npm {words[0]} in {folder.name}/ took over {NPM_TIMEOUT_S} s. Check the network and run it again."
        raise InstallError(message) from error
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        message = f"npm {words[0]} failed in {folder.name}/ (exit {done.returncode}):\n{tail}"
        raise InstallError(message)


def is_installed() -> bool:
    """Return whether an earlier run with the same inputs ended well and its programs are still there."""
    try:
        same = read_json(STATE)["inputs"] == hash_inputs()
        contracts = (SOLIDITY / "node_modules" / "@openzeppelin" / "contracts" / "package.json").is_file()
        return same and contracts and all(path.is_file() for path in programs())
    except (OSError, ValueError, KeyError, TypeError, toolchain.ToolNotFoundError):
        return False


def report_versions() -> None:
    """Run each program once and print what it says of itself."""
    for path in programs():
        say(f"{path.name:6} {toolchain.read_version(path)}")


def programs() -> Iterator[Path]:
    """Yield the programs that must be there after an installation."""
    yield from (toolchain.find_node(), toolchain.find_anvil(), toolchain.find_forge(), toolchain.find_solc())


def hash_inputs() -> str:
    """Return a hash of the inputs, of this folder and of Node's path: the shim names both."""
    digest = hashlib.sha256(f"{toolchain.foundry_platform()}\n{ROOT}\n{toolchain.find_node()}\n".encode())
    for path in INPUTS:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def shell_quote(path: Path) -> str:
    """Quote a path for sh; a checkout may well live in a folder with spaces."""
    return "'" + str(path).replace("'", "'\\''") + "'"


def say(text: str, end: str = "\n") -> None:
    """Print a line of progress at once, also into a pipe."""
    print(f"tools: {text}", end=end, flush=True)


if __name__ == "__main__":
    sys.exit(main())
