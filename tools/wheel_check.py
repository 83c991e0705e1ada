# SPDX-License-Identifier: MIT
"""Check what `pip install postroad` brings: `python -m tools.wheel_check`, or `make wheel-check`.

The source distribution is built, then the wheel from it, as an index's users may do. The wheel must hold what
the tree holds, and nothing else. It is installed with its extra into a new virtual environment, at the locked
versions, and its commands run in an empty folder, with a home of their own: nothing of the checkout can help.

With POSTROAD_OFFLINE in the environment, only what needs no network is done, for machines that have none.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools._checking import CheckError, run

ROOT: Final = Path(__file__).resolve().parents[1]
UV: Final = ROOT / ".venv-lock" / "bin" / "uv"
OFFLINE: Final = "POSTROAD_OFFLINE"

#: What a command must not inherit: it would lead to tools of the checkout, or to another Python's packages.
_FOREIGN: Final = ("POSTROAD_", "PYTHON", "VIRTUAL_ENV", "XDG_", "npm_")


def main() -> int:
    """Build, install and try; return 0 when all is well, else 1."""
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="postroad-wheel-") as folder:
            wheel = build(Path(folder))
            check_files(wheel)
            if os.environ.get(OFFLINE):
                print(f"wheel: built, not installed: {OFFLINE} is set")
                return 0
            try_out(install(wheel, Path(folder)), Path(folder))
    except CheckError as error:
        print(f"wheel: {error}", file=sys.stderr)
        return 1
    print(f"wheel: all is well after {time.monotonic() - started:.0f} s")
    return 0


def build(folder: Path) -> Path:
    """Build the source distribution, and from it the wheel; return the wheel's path. Raises CheckError."""
    # hatchling's own command: a front end for builds would fetch hatchling anew.
    words = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), "-t"]
    run([*words, "sdist"], ROOT, os.environ)
    (sdist,) = folder.glob("*.tar.gz")
    run(["tar", "-xzf", str(sdist)], folder, os.environ)
    run([*words, "wheel"], folder / sdist.name.removesuffix(".tar.gz"), os.environ)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_files(wheel: Path) -> None:
    """Compare the wheel's files with the tree's: what git tracks, or would. Raises CheckError."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    listed = run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *packages], ROOT, os.environ
    )
    expected = {name for name in listed.split("\n") if (ROOT / name).is_file()}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    found = {name for name in names if ".dist-info/" not in name}
    if found != expected:
        text = f"found and not in the tree: {sorted(found - expected)}; missing: {sorted(expected - found)}"
        raise CheckError(text)
    version = settings["project"]["version"]
    if f"postroad-{version}.dist-info/licenses/LICENSE" not in names:
        raise CheckError("its licence is missing")
    print(f"wheel: {wheel.name} with {len(found)} files, {wheel.stat().st_size >> 10} KiB")


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the wheel was installed.

    Attributes:
        folder: an empty one, in which the commands run.
        program: `postroad`.
        environment: of the commands.
    """

    folder: Path
    program: Path
    environment: Mapping[str, str]

    def postroad(self, *words: str, code: int = 0) -> str:
        """Run a command, say how long it took, and return what it printed. Raises CheckError."""
        started = time.monotonic()
        said = run([str(self.program), *words], self.folder, self.environment, code=code)
        print(f"wheel: postroad {' '.join(words)}: {time.monotonic() - started:.1f} s", flush=True)
        return said


def install(wheel: Path, folder: Path) -> Installed:
    """Install the wheel with its extra into an environment of its own. Raises CheckError."""
    if not UV.is_file():
        raise CheckError(f"found no uv at {UV}: run `make wheel-check`, which installs it")
    started = time.monotonic()
    environment, empty, home = folder / "environment", folder / "empty", folder / "home"
    empty.mkdir()
    run([str(UV), "venv", "--quiet", "--python", sys.executable, str(environment)], folder, os.environ)
    words = [str(UV), "pip", "install", "--quiet", "--python", str(environment / "bin" / "python")]
    locked = ["--constraint", str(ROOT / "requirements" / "runtime.txt")]
    run([*words, *locked, f"postroad[devnet] @ {wheel.as_uri()}"], folder, os.environ)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    print(f"wheel: installed: {time.monotonic() - started:.1f} s", flush=True)
    # No PATH but the system's: an anvil of the user's would hide that ours is missing.
    own = {"HOME": str(home), "PATH": f"{environment / 'bin'}:/usr/bin:/bin", "CI": "true"}
    registry = {name: value for name, value in os.environ.items() if name.lower() == "npm_config_registry"}
    return Installed(empty, environment / "bin" / "postroad", inherited | own | registry)


def try_out(installed: Installed, folder: Path) -> None:
    """Run the commands as a newcomer does. Raises CheckError."""
    expect("devnet" in installed.postroad("--help"), "--help lists devnet")
    for words in (("demo", "--plain"), ("devnet", "up")):
        said = installed.postroad(*words, code=3)
        expect("`postroad devnet install`" in said, f"{words} without anvil says how to get it, not: {said}")
    anvil = json.loads(installed.postroad("devnet", "install", "--json"))
    expect(anvil["fetched"], "anvil is fetched")
    expect(Path(anvil["path"]).is_relative_to(folder / "home"), "anvil is in the cache folder of its user")
    expect("is there already" in installed.postroad("devnet", "install"), "a second time fetches nothing")
    expect(anvil["version"] in installed.postroad("doctor"), "doctor shows anvil")
    said = installed.postroad("demo", "--plain")
    expect("each exactly once" in said, "the demo counts what the recipients saw")
    installed.postroad("devnet", "up")
    try:
        status = json.loads(installed.postroad("devnet", "status", "--json"))
        expect(status["running"] and len(status["chains"]) == 2, "two chains run")
    finally:
        installed.postroad("devnet", "down")
    left = [path for path in installed.folder.rglob("*") if not path.is_dir()]
    expect(not left, f"nothing is left, but: {left}")


def expect(holds: object, what: str) -> None:
    """Raise CheckError with what was expected, unless it holds."""
    if not holds:
        raise CheckError(f"expected: {what}")


if __name__ == "__main__":
    sys.exit(main())
