# SPDX-License-Identifier: MIT
"""The guard around unit tests, and what the locks hold."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


async def test_unit_tests_cannot_open_sockets() -> None:
    with pytest.raises(AssertionError, match="opens a socket"):
        socket.create_connection(("127.0.0.1", 9))
    with pytest.raises(AssertionError, match="opens a socket"):
        socket.socket()
    with pytest.raises(AssertionError, match="opens a socket"):
        await asyncio.open_connection("127.0.0.1", 9)


@pytest.mark.network
def test_tests_that_say_so_can() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))


def test_shared_vectors_are_a_folder_with_a_description(shared_vectors: Path) -> None:
    assert (shared_vectors / "README.md").is_file()


def test_nothing_large_and_nothing_built_is_kept() -> None:
    """A program that some step builds belongs into no commit."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("not in a clone: git lists no files")
    kept = [ROOT / name for name in done.stdout.decode().split("\0") if name]
    assert len(kept) > 900
    assert [path for path in kept if path.is_file() and path.stat().st_size > 1 << 20] == []


@pytest.mark.parametrize("name", ["build", "deploy", "dev", "runtime", "slither"])
def test_locks_hold_hashes_and_name_no_index(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert "index-url" not in text


@pytest.mark.parametrize("folder", ["solidity", "tools", "tools/application"])
def test_npm_locks_name_no_registry(folder: str) -> None:
    packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all("integrity" in package for name, package in packages.items() if name)


def test_both_packages_have_one_version_and_one_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    package = json.loads((ROOT / "solidity/package.json").read_text())
    lock = json.loads((ROOT / "solidity/package-lock.json").read_text())
    assert package["version"] == lock["version"] == lock["packages"][""]["version"] == project["version"]
    assert package["license"] == project["license"]
    assert (ROOT / "solidity/LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_what_is_deployed_has_our_compiler_and_what_is_imported_has_any() -> None:
    """An application imports interfaces and abstract applications, and its compiler is its own."""
    source = ROOT / "solidity/src"
    waiting = [
        *(source / "interfaces").glob("*.sol"),
        *(source / "testing").glob("*.sol"),
        *(path for path in (source / "apps").glob("*.sol") if "\nabstract contract " in path.read_text()),
    ]
    importable: set[Path] = set()
    while waiting:
        path = waiting.pop()
        importable.add(path)
        imports = re.findall(r'^import .*"(\.[^"]+)";', path.read_text(), re.MULTILINE)
        waiting += {(path.parent / name).resolve() for name in imports} - importable
    assert source / "apps/PostroadRecipient.sol" in importable
    ours = json.loads((ROOT / "tools/package.json").read_text())["dependencies"]["solc"]
    for path in source.rglob("*.sol"):
        pragma = "^0.8.20" if path in importable else ours
        assert f"\npragma solidity {pragma};\n" in path.read_text(), path


def test_no_contract_test_ends_at_a_deployment_that_is_refused() -> None:
    """With `dynamic_test_linking`, a deployment in the test's own frame that reverts as expected ends the
    test, which passes: nothing behind it is asked. In a frame of its own (`this.deploy(...)`) it goes on.
    """
    refused = re.compile(r"vm\.expectRevert\([^;]*\);\s*(?:\w+ \w+ = )?new \w+\(")
    ended = [
        f"{path.relative_to(ROOT)}: {found[0].split()[-1]}"
        for path in (ROOT / "solidity/test").rglob("*.sol")
        for found in refused.finditer(path.read_text())
    ]
    assert ended == []


def test_a_class_name_is_defined_once() -> None:
    places: dict[str, list[str]] = {}
    for package in ("light_clients", "relayer"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert len(places) > 300
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_pages_keep_the_line_length() -> None:
    # ruff holds docstrings and comments to it (W505); this holds prose. A table, a code block, a heading or a
    # single long word (a link) may stand out, for none of them can be wrapped.
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "solidity/README.md",
    ]
    assert len(pages) > 30
    long = [
        f"{page.relative_to(ROOT)}:{number}: {len(line)} columns"
        for page in pages
        for number, line in enumerate(_without_code(page.read_text()), start=1)
        if len(line) > 110 and not line.startswith(("#", "|")) and len(line.split()) > 1
    ]
    assert long == []


def _without_code(text: str) -> list[str]:
    """Return the lines of a page, with those of its code blocks empty."""
    lines, is_fenced = [], False
    for line in text.splitlines():
        is_fence = line.lstrip().startswith("```")
        is_fenced ^= is_fence
        is_code = is_fenced or is_fence or line.startswith("    ")
        lines.append("" if is_code else line)
    return lines
