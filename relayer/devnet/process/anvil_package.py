# SPDX-License-Identifier: MIT
"""anvil's package in the npm registry: fetched, compared with the pinned digest, unpacked into the cache.

anvil is no Python package, so pip can't bring it. npm tells which registry it is configured with, and that is
asked for one archive: its digest came with Postroad, and whatever else a registry serves is refused. All of
it blocks.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from relayer.config.secret_url import redact_url
from relayer.devnet.errors import PackageRefused, PackageUnavailable, ProgramMissing
from relayer.devnet.process import toolchain
from relayer.errors import ConfigError

VARIABLE: Final = "npm_config_registry"

_SCOPE: Final = "@foundry-rs"
#: The one file of the archive that is unpacked.
_MEMBER: Final = "package/bin/anvil"
#: Four times what version 1.7.1 has, packed and unpacked.
_MOST_PACKED_BYTES: Final = 80 << 20
_MOST_BYTES: Final = 192 << 20
#: Of silence, not of the whole.
_TIMEOUT_S: Final = 60
_CHUNK_BYTES: Final = 1 << 16


def find_registry() -> str:
    """Return the npm registry that packages are fetched from, without a slash at its end.

    It is `npm_config_registry` of the environment (in any case of letters), else what npm itself is
    configured with for Foundry's packages. npm's credentials are not used.

    Raises:
        ProgramMissing: nothing names one, and there is no npm to ask.
        ConfigError: it is no http or https URL.
    """
    told = next((value for name, value in os.environ.items() if name.lower() == VARIABLE and value), None)
    if told is None:
        told = _ask_npm(f"{_SCOPE}:registry") or _ask_npm("registry")
    if urlsplit(told).scheme not in {"http", "https"}:
        raise ConfigError(
            f"{told!r} as the npm registry",
            "an http or https URL",
            f"Correct {VARIABLE}, or npm's configuration.",
        )
    return told.rstrip("/")


def install(registry: str, tell: Callable[[int, int | None], None]) -> Path:
    """Fetch anvil's package, and return the path of the program, which is there as a whole or not at all.

    Args:
        registry: as `find_registry` returns it.
        tell: is told how many bytes have come, of how many; None where the registry does not say.

    Raises:
        ProgramMissing: Foundry has no package for this machine, or the cache folder can't be written.
        PackageUnavailable: the registry can't be reached, or has no such package.
        PackageRefused: what it serves is not the archive that was pinned.
    """
    try:
        package = toolchain.foundry_package("anvil")
    except toolchain.ToolNotFoundError as error:
        raise ProgramMissing("no package of anvil", "one for this machine", str(error)) from error
    program = toolchain.installed_anvil()
    url = f"{registry}/{package.name}/-/{package.name.rsplit('/')[-1]}-{package.version}.tgz"
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        # Beside the program, so that the last step is a renaming.
        with tempfile.TemporaryDirectory(dir=program.parent) as folder:
            archive, unpacked = Path(folder) / "archive", Path(folder) / "anvil"
            found = _download(url, archive, tell)
            if found != package.integrity:
                raise PackageRefused(
                    f"{package.name} {package.version} from {redact_url(registry)} with digest {found}",
                    package.integrity,
                    "Do not use it: the registry, or something on the way to it, serves another package than was "
                    f"published. Name another registry in {VARIABLE}.",
                )
            _unpack(archive, unpacked)
            unpacked.chmod(0o755)
            unpacked.replace(program)
    except OSError as error:
        raise ProgramMissing(
            f"{program.parent} can't be written: {error}",
            "a folder for anvil",
            "Make room or correct its permissions, or name another cache folder in XDG_CACHE_HOME.",
        ) from error
    return program


def _ask_npm(key: str) -> str:
    """Return a value of npm's configuration; empty where it has none. Raises ProgramMissing."""
    try:
        done = subprocess.run(
            [*toolchain.npm_command(), "config", "get", key],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_TIMEOUT_S,
        )
    except (toolchain.ToolNotFoundError, OSError, subprocess.SubprocessError) as error:
        raise _no_registry(str(error)) from error
    if done.returncode != 0:
        raise _no_registry(f"npm says: {' '.join(done.stderr.split())[:300]}")
    value = done.stdout.strip()
    return "" if value == "undefined" else value


def _no_registry(why: str) -> ProgramMissing:
    return ProgramMissing(
        f"no registry to fetch anvil from: {why}",
        "npm, which knows one",
        f"Install postroad[devnet], which brings npm, or name a registry in {VARIABLE}.",
    )


def _download(url: str, target: Path, tell: Callable[[int, int | None], None]) -> str:
    """Write what a URL serves into a file, and return its digest as npm writes it."""
    digest = hashlib.sha512()
    done = 0
    with _talking(url):
        # find_registry let http and https through. The environment's proxy is used.
        answer = urllib.request.urlopen(url, timeout=_TIMEOUT_S)  # noqa: S310
    with answer, target.open("wb") as file:
        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        while True:
            with _talking(url):
                chunk = answer.read(_CHUNK_BYTES)
                if not chunk and total is not None and done < total:
                    raise http.client.IncompleteRead(b"", total - done)
            if not chunk:
                return "sha512-" + base64.b64encode(digest.digest()).decode()
            done += len(chunk)
            if done > _MOST_PACKED_BYTES:
                raise PackageRefused(
                    f"an archive of over {_MOST_PACKED_BYTES >> 20} MiB from {redact_url(url)}",
                    "some 20 MiB",
                    f"Name another registry in {VARIABLE}.",
                )
            digest.update(chunk)
            file.write(chunk)
            tell(done, total)


@contextlib.contextmanager
def _talking(url: str) -> Iterator[None]:
    """Turn errors of the connection into PackageUnavailable; those of the disk arise outside of the block."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        host = redact_url(url).removesuffix("/…")
        raise PackageUnavailable(
            f"{host} did not serve {urlsplit(url).path}: {error}",
            "an npm registry that can be reached and has it",
            f"Check the network and its proxy (HTTPS_PROXY), or name another registry in {VARIABLE}. Without "
            "any: install Foundry yourself, and name its anvil in POSTROAD_ANVIL.",
        ) from error


def _unpack(archive: Path, target: Path) -> None:
    """Write the program of an archive into a file: that member alone, whatever else there is."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            member = tar.getmember(_MEMBER)
            source = tar.extractfile(member) if member.isreg() and member.size <= _MOST_BYTES else None
            if source is None:
                raise PackageRefused(
                    f"{_MEMBER} as something else than a file of at most {_MOST_BYTES >> 20} MiB",
                    "anvil",
                    "Please report it.",
                )
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
    except (KeyError, tarfile.TarError) as error:
        raise PackageRefused(
            f"an archive that can't be unpacked: {error}", f"one with {_MEMBER}", "Please report it."
        ) from error
