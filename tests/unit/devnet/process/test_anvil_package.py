# SPDX-License-Identifier: MIT
"""anvil's package is fetched whole and compared with its digest, or nothing of it is kept."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from relayer.devnet.errors import PackageRefused, PackageUnavailable, ProgramMissing
from relayer.devnet.process import anvil_package, toolchain
from relayer.errors import ConfigError

PROGRAM = b"#!/bin/sh\necho anvil Version: 9.9.9\n"
PLATFORM = toolchain.foundry_platform()
PATH = f"/npm/@foundry-rs/anvil-{PLATFORM}/-/anvil-{PLATFORM}-9.9.9.tgz"


def archive(name: str = "package/bin/anvil", *, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A package that holds the program, and beside it what would leave the folder."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for member, what in ((name, kind), ("../../outside", tarfile.REGTYPE)):
            info = tarfile.TarInfo(member)
            info.type, info.linkname = what, "/bin/sh"
            info.size = len(PROGRAM) if what == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(PROGRAM))
    return written.getvalue()


class Registry:
    """Serves one package at a free port of this machine."""

    def __init__(self) -> None:
        self.served = archive()
        self.cut_bytes = 0
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != PATH:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(registry.served)))
                self.end_headers()
                self.wfile.write(registry.served[: len(registry.served) - registry.cut_bytes])

            def log_message(self, *words: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/npm"

    def pin(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let Postroad expect what is served now."""
        digest = "sha512-" + base64.b64encode(hashlib.sha512(self.served).digest()).decode()
        pins = folder / "pins.json"
        pins.write_text(
            json.dumps({"version": "9.9.9", "integrity": {f"@foundry-rs/anvil-{PLATFORM}": digest}})
        )
        monkeypatch.setattr(toolchain, "PINS", pins)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    registry = Registry()
    registry.pin(tmp_path, monkeypatch)
    thread = threading.Thread(target=registry.server.serve_forever)
    thread.start()
    yield registry
    registry.server.shutdown()
    registry.server.server_close()
    thread.join()


def install(registry: Registry) -> Path:
    return anvil_package.install(registry.url, lambda done, total: None)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


@pytest.mark.network
def test_the_program_alone_is_unpacked_and_found(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POSTROAD_ANVIL", raising=False)
    monkeypatch.setattr(toolchain, "_PACKAGE_PARENT", tmp_path)
    told: list[tuple[int, int | None]] = []
    program = anvil_package.install(registry.url, lambda done, total: told.append((done, total)))
    assert files_below(tmp_path / "cache") == [program] == [toolchain.find_anvil()]
    assert program.read_bytes() == PROGRAM
    assert os.access(program, os.X_OK)
    assert told[-1] == (len(registry.served), len(registry.served))


@pytest.mark.network
def test_another_package_than_the_pinned_one_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.served = archive() + b"\0"
    with pytest.raises(PackageRefused, match=r"with digest sha512-.* \(expected sha512-.*another registry"):
        install(registry)
    assert files_below(tmp_path / "cache") == []


@pytest.mark.network
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_pinned_archive_whose_program_is_no_file_is_refused(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: bytes
) -> None:
    registry.served = archive(kind=kind)
    registry.pin(tmp_path, monkeypatch)
    with pytest.raises(PackageRefused, match="something else than a file"):
        install(registry)
    assert files_below(tmp_path / "cache") == []


@pytest.mark.network
@pytest.mark.parametrize("served", [archive("package/anvil"), b"no archive"])
def test_a_pinned_archive_without_the_program_is_refused(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: bytes
) -> None:
    registry.served = served
    registry.pin(tmp_path, monkeypatch)
    with pytest.raises(PackageRefused, match="can't be unpacked"):
        install(registry)


@pytest.mark.network
def test_what_is_too_large_is_refused(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anvil_package, "_MOST_BYTES", len(PROGRAM) - 1)
    with pytest.raises(PackageRefused, match="a file of at most"):
        install(registry)
    monkeypatch.setattr(anvil_package, "_MOST_PACKED_BYTES", len(registry.served) - 1)
    with pytest.raises(PackageRefused, match="an archive of over"):
        install(registry)


@pytest.mark.network
def test_a_registry_that_does_not_serve_it_says_so(registry: Registry, tmp_path: Path) -> None:
    registry.cut_bytes = 1
    with pytest.raises(PackageUnavailable, match="1 more expected"):
        install(registry)
    with pytest.raises(PackageUnavailable, match="404"):
        anvil_package.install(f"{registry.url}/nowhere", lambda done, total: None)
    with pytest.raises(PackageUnavailable, match=r"127.0.0.1.*POSTROAD_ANVIL"):
        anvil_package.install("http://127.0.0.1:9", lambda done, total: None)
    assert files_below(tmp_path / "cache") == []


def test_a_machine_without_a_package_is_told_which_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "foundry_platform", lambda: "plan9-mips")
    with pytest.raises(ProgramMissing, match=r"plan9-mips.*darwin-amd64.*POSTROAD_ANVIL"):
        anvil_package.install("https://npm.example", lambda done, total: None)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ProgramMissing, match=r"can't be written.*XDG_CACHE_HOME"):
        anvil_package.install("https://npm.example", lambda done, total: None)


def test_the_registry_is_found_as_npm_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower() == "npm_config_registry"]:
        monkeypatch.delenv(name)
    npmrc = tmp_path / "npmrc"
    npmrc.write_text("")
    monkeypatch.setenv("NPM_CONFIG_USERCONFIG", str(npmrc))
    monkeypatch.setenv("NPM_CONFIG_GLOBALCONFIG", str(tmp_path / "global"))
    # npm's own, whatever that is.
    assert anvil_package.find_registry().startswith("https://")
    npmrc.write_text('; a comment\nregistry = "https://npm.example/general/"\nfund=false\n')
    assert anvil_package.find_registry() == "https://npm.example/general"
    npmrc.write_text("registry=https://npm.example\n@foundry-rs:registry=https://scope.example\n")
    assert anvil_package.find_registry() == "https://scope.example"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://environment.example/")
    assert anvil_package.find_registry() == "http://environment.example"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "ftp://environment.example/")
    with pytest.raises(ConfigError, match=r"ftp://.*npm_config_registry"):
        anvil_package.find_registry()


def test_without_a_registry_and_without_npm_both_ways_out_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower() == "npm_config_registry"]:
        monkeypatch.delenv(name)

    def find_none() -> list[str]:
        raise toolchain.ToolNotFoundError("npm was not found")

    monkeypatch.setattr(toolchain, "npm_command", find_none)
    with pytest.raises(ProgramMissing, match=r"npm was not found.*postroad\[devnet\].*npm_config_registry"):
        anvil_package.find_registry()


def test_every_platform_has_a_digest_of_both_programs() -> None:
    pins = json.loads(toolchain.PINS.read_text())["integrity"]
    platforms = {name.split("-", 2)[2] for name in pins}
    assert platforms == {"linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"}
    assert set(pins) == {f"@foundry-rs/{what}-{where}" for what in ("anvil", "forge") for where in platforms}
    assert all(len(base64.b64decode(digest.removeprefix("sha512-"))) == 64 for digest in pins.values())
