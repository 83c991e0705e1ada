# SPDX-License-Identifier: MIT
"""What the exit code says (docs/reference/cli.md). A script may rely on these numbers."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Each tells a script what to do next."""

    OK = 0
    """Done."""
    PROBLEM = 1
    """The command worked, and what it looked at is not right: `check`, `doctor` and `demo` say what."""
    USAGE = 2
    """The words of the command line can't be understood."""
    CONFIG = 3
    """The configuration, a keystore, a password or a manifest can't be used: correct it, nothing was done."""
    UNAVAILABLE = 4
    """A chain can't be reached, or isn't ready: the same command may work later."""
    REFUSED = 5
    """A contract, a light client or our own verification says no: repeating does not help."""
    TIMEOUT = 6
    """What was waited for has not happened yet; it may still."""
    NOT_FOUND = 7
    """There is no such message."""
    ABORTED = 8
    """The question was answered with no."""
    BUG = 70
    """Something that should not happen did; please report it."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C."""
