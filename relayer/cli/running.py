# SPDX-License-Identifier: MIT
"""Run a command's coroutine, so that Ctrl-C ends it in order and its first error is the one that is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.output import doing

T = TypeVar("T")


#: What a run that sends transactions by a manifest says when it is interrupted.
RUN_AGAIN: Final = "What was signed is in the manifest: run the same command again to go on."


def run_async(work: Coroutine[Any, Any, T], what: str = "", *, when_interrupted: str = "") -> T:
    """Run a coroutine in an event loop of its own.

    Args:
        work: the coroutine. Where `what` is given, it prints nothing on stdout and asks nobody.
        what: is said on stderr while it runs.
        when_interrupted: what to do after Ctrl-C.

    Raises what it raises, groups of errors as their first member.
    """
    try:
        with doing(what) if what else contextlib.nullcontext():
            return asyncio.run(work)
    except KeyboardInterrupt as stop:
        raise CommandFailed(ExitCode.INTERRUPTED, "interrupted", "", when_interrupted) from stop
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group
