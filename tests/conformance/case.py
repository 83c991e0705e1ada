# SPDX-License-Identifier: MIT
"""What a suite is made of: cases, how to read the files that they stand in, and how to say what was
expected.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

_MAX_RECURSION: Final = 1000


@dataclass(frozen=True)
class Case:
    """One thing that the vectors show.

    Attributes:
        name: what is shown, for people.
        check: raises when it does not hold.
        skipped: why it cannot be asked; None when it can.
        path: the file or folder that it was read from.
    """

    name: str
    check: Callable[[], None] = lambda: None
    skipped: str | None = None
    path: Path | None = None


def cases_in(path: Path, read: Callable[[Path], Iterable[Case]]) -> Iterator[Case]:
    """The cases that `read` finds in a file or folder, each with its path.

    A path that is not there gives one skipped case, for somebody's vectors may be a part of ours.
    """
    if not path.exists():
        yield Case(path.name, skipped="not among these vectors", path=path)
        return
    for case in guarded("reading", lambda: read(path)):
        yield case if case.path is not None else replace(case, path=path)


def guarded(name: str, read: Callable[[], Iterable[Case]]) -> Iterator[Case]:
    """The cases that `read` finds. What it raises is a failed case of this name, and the caller goes on with
    the next.
    """
    try:
        yield from read()
    except Exception as error:  # noqa: BLE001  whatever a file is like, the others must still be read
        yield Case(name, partial(_raise, error))


def _raise(error: Exception) -> NoReturn:
    raise error


def read_json(path: Path) -> Any:
    """Return what a vector file holds. JSON that nests deeper than a thousand levels raises
    RecursionError.
    """
    text = path.read_text(encoding="utf-8")
    # py_ecc raises the limit so far that the parser, which is C, would overflow the stack and end the
    # process.
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(min(limit, _MAX_RECURSION))
    try:
        return json.loads(text)
    finally:
        sys.setrecursionlimit(limit)


def one_file(folder: Path, pattern: str) -> Path:
    """The only file of a folder that matches; FileNotFoundError says how many there are instead."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise FileNotFoundError(f"found {len(found)} files {pattern!r}, expected one")
    return found[0]


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
