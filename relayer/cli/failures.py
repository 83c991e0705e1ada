# SPDX-License-Identifier: MIT
"""How an error is shown: what was found, what was expected, what to do; and its exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from typing import Any, Final, NoReturn

from light_clients.errors import Rejection
from relayer.cli.exit_codes import ExitCode
from relayer.errors import ConfigError, PostroadError, Retryable
from relayer.journal.errors import JournalError

#: What the operating system refuses, by its number, and what a person does about it.
_SYSTEM: Final = {
    errno.ENOSPC: "Make room on the disk, and run again.",
    errno.EDQUOT: "Make room in this user's quota, and run again.",
    errno.EROFS: "Name a place that can be written to.",
    errno.EACCES: "Correct the mode, or name another place.",
    errno.EPERM: "Correct the mode, or name another place.",
}


class CommandFailed(PostroadError):  # noqa: N818  as in relayer.errors
    """A command's own failure, with its exit code."""

    def __init__(self, code: ExitCode, found: str, expected: str = "", advice: str = "") -> None:
        super().__init__(found, expected, advice)
        self.code = code


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit code that an error stands for."""
    if isinstance(error, CommandFailed):
        return error.code
    if isinstance(error, (ConfigError, JournalError)) or _is_refused_by_system(error):
        return ExitCode.CONFIG
    if isinstance(error, Retryable):
        return ExitCode.UNAVAILABLE
    if isinstance(error, (PostroadError, Rejection)):
        return ExitCode.REFUSED
    return ExitCode.BUG


def _is_refused_by_system(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _SYSTEM


def describe(error: BaseException) -> dict[str, Any]:
    """Return an error as `--json` shows it."""
    code = exit_code_of(error)
    parts: dict[str, Any] = {"type": type(error).__name__, "exit_code": int(code)}
    if isinstance(error, PostroadError):
        return parts | {"found": error.found, "expected": error.expected, "advice": error.advice}
    if isinstance(error, Rejection):
        # A rejection's own text shows bytes as hex, and cuts what is long.
        return parts | {"found": str(error), "expected": "", "advice": "Our own verification refuses it."}
    if isinstance(error, OSError) and _is_refused_by_system(error):
        where = "" if error.filename is None else f"{error.filename}: "
        advice = _SYSTEM[error.errno or 0]
        return parts | {"found": f"{where}{error.strerror}", "expected": "", "advice": advice}
    return parts | {
        "found": f"{type(error).__name__}: {error}",
        "expected": "no error",
        "advice": "This is a fault of Postroad: run again with POSTROAD_DEBUG=1 and report what it shows.",
    }


def fail(error: BaseException, *, as_json: bool) -> NoReturn:
    """Show an error on stderr, as text or as JSON, and end the process with its exit code."""
    parts = describe(error)
    if as_json:
        import json

        sys.stderr.write(json.dumps({"error": parts}) + "\n")
    else:
        width = max(len(name) for name in ("error", "expected", "do"))
        lines = [("error", parts["found"]), ("expected", parts["expected"]), ("do", parts["advice"])]
        for name, text in lines:
            if text:
                indented = str(text).replace("\n", "\n" + " " * (width + 2))
                sys.stderr.write(f"{name:>{width}}: {indented}\n")
    if os.environ.get("POSTROAD_DEBUG"):
        traceback.print_exception(error)
    raise SystemExit(int(parts["exit_code"]))
