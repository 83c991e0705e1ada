# SPDX-License-Identifier: MIT
"""A case, and what running cases gives."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast


@dataclass(frozen=True)
class Case:
    """One thing that the vectors show. `check` raises when it does not hold; `skipped` is why it cannot be asked."""

    name: str
    check: Callable[[], None] = lambda: None
    skipped: str | None = None


class Folder(Protocol):
    """A module of this package that reads a folder of the vectors."""

    FOLDER: str

    def cases(self, folder: Path) -> Iterator[Case]: ...


@dataclass
class Verdict:
    """A folder's cases: how many passed, why some were skipped, and what failed with which words."""

    passed: int = 0
    skips: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def skipped(self) -> int:
        return self.skips.total()

    @property
    def failed(self) -> int:
        return len(self.failures)

    def as_json(self) -> dict[str, object]:
        counts = {"passed": self.passed, "skipped": self.skipped, "failed": self.failed}
        return counts | {"skips": dict(self.skips), "failures": self.failures}


#: Why nobody reads a folder yet. A folder that is neither here nor read by a module is reported all the same.
NOT_SERVED = {
    "fisco_bcos": "no FISCO BCOS light client yet",
    "gm_sm2_sm3": "no SM2 and SM3 yet: they come with the FISCO BCOS light client",
    "cometbft": "no CometBFT light client yet",
    "ics23": "no ICS-23 proofs yet: they come with the CometBFT light client",
}


def folders() -> dict[str, Folder]:
    """The modules of this package by the folder that they read."""
    found: dict[str, Folder] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith(("_", "test_")) or module.name == "case":
            continue
        loaded = importlib.import_module(f"tests.conformance.{module.name}")
        if hasattr(loaded, "FOLDER"):
            found[loaded.FOLDER] = cast("Folder", loaded)
    return found


def run_folder(reader: Folder, folder: Path) -> Verdict:
    """Run every case of a folder; none stops another."""
    verdict = Verdict()
    for case in reader.cases(folder):
        if case.skipped is not None:
            verdict.skips[case.skipped] += 1
            continue
        try:
            case.check()
        except Exception as error:  # noqa: BLE001  a case may fail in any way, and the rest must still run
            verdict.failures[case.name] = f"{type(error).__name__}: {error}"
        else:
            verdict.passed += 1
    return verdict


def skip_folder(folder: Path) -> Verdict:
    """A folder that no module reads, a case a file."""
    reason = NOT_SERVED.get(folder.name, "no module of tests/conformance reads this folder yet")
    return Verdict(skips=Counter({reason: sum(path.is_file() for path in folder.rglob("*"))}))


def run_all(root: Path, only: list[str] | None = None) -> dict[str, Verdict]:
    """Run, or skip with a reason, every folder of the vectors, or those asked for."""
    readers = folders()
    return {
        folder.name: run_folder(readers[folder.name], folder)
        if folder.name in readers
        else skip_folder(folder)
        for folder in sorted(path for path in root.iterdir() if path.is_dir())
        if not only or folder.name in only
    }


def read_json(path: Path) -> Any:
    """Read a vector file."""
    return json.loads(path.read_text(encoding="utf-8"))


def unhex(text: str) -> bytes:
    """Bytes from hex with or without 0x."""
    return bytes.fromhex(text.removeprefix("0x"))


def expect(what: str, found: object, expected: object) -> None:
    """Raise unless both are equal, saying both."""
    if found != expected:
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}")


def refuse(what: str, call: Callable[[], object], *errors: type[Exception]) -> None:
    """Raise unless the call raises one of these errors."""
    try:
        found = call()
    except errors:
        return
    raise AssertionError(f"{what}: found {found!r}, expected a rejection")
