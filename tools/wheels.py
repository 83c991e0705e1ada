# SPDX-License-Identifier: MIT
"""Check that set-up needs no compiler: `python -m tools.wheels`, or `make wheels`.

Every package that requirements/runtime.txt and requirements/dev.txt lock must have a wheel, and its hash in
the lock, for each CPython and each platform that we support. A package without one must be left out there by
its marker, and stand in LEFT_OUT with what serves in its place. uv asks the configured index which files
there are and answers with a lock of its own (PEP 751), which names them; no package is downloaded. Which
wheel fits where is decided here, by the tags in its name.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT: Final = Path(__file__).resolve().parents[1]
LOCKS: Final = (ROOT / "requirements" / "runtime.txt", ROOT / "requirements" / "dev.txt")
UV: Final = ROOT / ".venv-lock" / "bin" / "uv"
TIMEOUT_S: Final = 50

PYTHONS: Final = ((3, 11), (3, 12), (3, 13), (3, 14))

#: glibc 2.28 is that of Debian 10 and of Red Hat 8, the oldest systems which such Pythons are built for.
GLIBC_MINOR: Final = 28
#: The oldest macOS that Node 24 runs on.
MACOS: Final = (14, 0)
#: What older wheels call the same things (PEP 600).
_LEGACY_NAMES: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A package without wheels for these Pythons and platforms; its marker in pyproject.toml leaves
    it out there.

    `reason` says what serves in its place.
    """

    package: str
    pythons: tuple[str, ...]
    platforms: tuple[str, ...]
    reason: str


#: The check fails for a package that lacks a wheel and has no row, and for a row whose package has
#: wheels by now.
LEFT_OUT: Final = (
    LeftOut(
        "safe-pysha3",
        ("3.11", "3.12", "3.13", "3.14"),
        ("macOS arm64",),
        "pycryptodome hashes in its place, more slowly (light_clients/hashing.py)",
    ),
    LeftOut(
        "pyblst",
        ("3.14",),
        ("Linux arm64", "macOS arm64"),
        "py_ecc verifies in its place, some 250 times slower (light_clients/bls/reference.py)",
    ),
)


class UnreadableLockError(RuntimeError):
    """The locks can't be compared with the index; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A Python on a platform, and what it can install."""

    python: str
    platform: str
    tags: frozenset[Tag]
    environment: Mapping[str, str]

    def __str__(self) -> str:
        return f"CPython {self.python} on {self.platform}"


@dataclass(frozen=True, slots=True)
class Lack:
    """A package without a wheel for a target. With `is_locked`, its marker asks for it there all the same."""

    package: Package
    target: Target
    is_locked: bool
    found: str


@dataclass(frozen=True, slots=True)
class Package:
    """A locked package. `wheels` are its files on the index, as name and SHA-256 in hex."""

    name: str
    version: str
    marker: Marker | None
    wheels: tuple[tuple[str, str], ...]


def main() -> int:
    """Print what is wrong, or what is left out where; return 0 when set-up needs no compiler, else 1."""
    packages: set[Package] = set()
    hashes: set[str] = set()
    try:
        for lock in LOCKS:
            text = lock.read_text(encoding="utf-8")
            found = read_packages(ask_index(lock))
            check_names(lock, text, found)
            packages |= set(found)
            hashes |= read_hashes(text)
    except UnreadableLockError as error:
        print(f"wheels: {error}", file=sys.stderr)
        return 1
    targets = make_targets()
    lacks = find_lacking(packages, targets, hashes)
    problems = judge(lacks, LEFT_OUT)
    for problem in problems:
        print(f"wheels: {problem}", file=sys.stderr)
    if problems:
        return 1
    print(
        f"wheels: {len(packages)} packages, {len(targets)} targets, a wheel for all but {len(lacks)} of the pairs:"
    )
    for row in LEFT_OUT:
        print(
            f"wheels: {row.package} on {', '.join(row.platforms)} with {', '.join(row.pythons)}: {row.reason}"
        )
    return 0


def ask_index(lock: Path) -> str:
    """Return the PEP 751 lock of the same packages, as uv gets it from the index that is configured.

    Raises:
        UnreadableLockError: uv is missing, fails or takes too long.
    """
    command = (
        *(str(UV), "pip", "compile", "--quiet", "--universal", "--no-deps", "--python-version", "3.11"),
        *("--format", "pylock.toml", str(lock)),
    )
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise UnreadableLockError(f"found no uv at {UV}: run `make wheels`, which installs it") from None
    except subprocess.TimeoutExpired:
        raise UnreadableLockError(
            f"uv did not answer within {TIMEOUT_S} s: is the package index reachable?"
        ) from None
    if done.returncode != 0:
        raise UnreadableLockError(f"uv failed on {lock.name}:\n{done.stderr.strip()}")
    return done.stdout


def read_packages(text: str) -> list[Package]:
    """Read a PEP 751 lock."""
    found = []
    for package in tomllib.loads(text)["packages"]:
        marker = Marker(package["marker"]) if "marker" in package else None
        wheels = tuple((_file_name(wheel), wheel["hashes"]["sha256"]) for wheel in package.get("wheels", ()))
        found.append(Package(canonicalize_name(package["name"]), package["version"], marker, wheels))
    return found


def read_hashes(text: str) -> set[str]:
    """Return every SHA-256 that a requirements file accepts, in hex."""
    return set(re.findall(r"--hash=sha256:([0-9a-f]{64})", text))


def check_names(lock: Path, text: str, found: Iterable[Package]) -> None:
    """Raise UnreadableLockError unless exactly the packages of the requirements file were found."""
    locked = set(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    answered = {(package.name, package.version) for package in found}
    if locked != answered:
        differing = ", ".join(sorted("==".join(pair) for pair in locked ^ answered))
        raise UnreadableLockError(
            f"{lock.name} and uv's answer differ in {differing or 'nothing'}: run `make lock`"
        )


def make_targets() -> list[Target]:
    """Return all supported Pythons on all supported platforms."""
    linux = {"sys_platform": "linux", "platform_system": "Linux"}
    macos = {"sys_platform": "darwin", "platform_system": "Darwin"}
    platforms: dict[str, tuple[list[str], dict[str, str]]] = {
        "Linux x86-64": (_manylinux("x86_64"), linux | {"platform_machine": "x86_64"}),
        "Linux arm64": (_manylinux("aarch64"), linux | {"platform_machine": "aarch64"}),
        "macOS arm64": (list(mac_platforms(MACOS, "arm64")), macos | {"platform_machine": "arm64"}),
    }
    return [
        _make_target(python, name, tags, words)
        for python in PYTHONS
        for name, (tags, words) in platforms.items()
    ]


def find_lacking(packages: Iterable[Package], targets: Sequence[Target], hashes: set[str]) -> list[Lack]:
    """Return every pair of a package and a target for which no wheel fits that the lock has a hash of.

    What no target asks for is another system's, such as Windows's, and none of ours lacks it.
    """
    lacks = []
    for package in sorted(packages, key=lambda package: package.name):
        asking = [target for target in targets if _is_locked(package, target)]
        for target in targets if asking else ():
            fitting = [wheel for wheel in package.wheels if parse_wheel_filename(wheel[0])[3] & target.tags]
            if any(digest in hashes for _, digest in fitting):
                continue
            found = (
                f"{fitting[0][0]}, whose hash is not in the lock"
                if fitting
                else f"{len(package.wheels)} wheels, none of which fits"
            )
            lacks.append(Lack(package, target, target in asking, found))
    return lacks


def judge(lacks: Iterable[Lack], left_out: Iterable[LeftOut]) -> list[str]:
    """Return what is wrong, as texts.

    These are locked packages that lack a wheel, pairs that are left out without a row, and rows
    that nothing needs.
    """
    rows = {
        (row.package, python, platform)
        for row in left_out
        for python in row.pythons
        for platform in row.platforms
    }
    problems = []
    for lack in lacks:
        key = (lack.package.name, lack.target.python, lack.target.platform)
        sentence = (
            f"{lack.package.name} {lack.package.version} lacks a wheel for {lack.target}: found {lack.found}"
        )
        if lack.is_locked:
            problems.append(
                f"{sentence}. Lock a version that has one (`make lock`), or take another package, or leave it out "
                "by a marker in pyproject.toml with a row in LEFT_OUT"
            )
        elif key not in rows:
            problems.append(f"{sentence}. Its marker leaves it out: say in LEFT_OUT what serves in its place")
        rows.discard(key)
    problems += [
        f"{package} has a wheel for CPython {python} on {platform} by now, or is not locked at all: take that row out "
        "of LEFT_OUT, and its marker out of pyproject.toml"
        for package, python, platform in sorted(rows)
    ]
    return problems


def _is_locked(package: Package, target: Target) -> bool:
    return package.marker is None or package.marker.evaluate(target.environment)


def _make_target(python: tuple[int, int], platform: str, tags: list[str], words: Mapping[str, str]) -> Target:
    version = ".".join(map(str, python))
    interpreter = f"cp{python[0]}{python[1]}"
    environment = {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_version": "",
        "python_full_version": f"{version}.0",
        "python_version": version,
        **words,
    }
    return Target(
        version,
        platform,
        frozenset(
            (
                *cpython_tags(python, abis=[interpreter], platforms=tags),
                *compatible_tags(python, interpreter, tags),
            )
        ),
        environment,
    )


def _manylinux(machine: str) -> list[str]:
    names = []
    for minor in range(GLIBC_MINOR, 4, -1):
        names.append(f"manylinux_2_{minor}_{machine}")
        if minor in _LEGACY_NAMES:
            names.append(f"{_LEGACY_NAMES[minor]}_{machine}")
    return names


def _file_name(wheel: Mapping[str, Any]) -> str:
    # PEP 751 gives a name only where the address does not end with it.
    name: str = wheel.get("name") or wheel["url"].rsplit("/", 1)[1]
    return name


if __name__ == "__main__":
    sys.exit(main())
