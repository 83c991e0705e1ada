# SPDX-License-Identifier: MIT
"""Exit codes (docs/reference/cli.md). Scripts rely on these numbers, so they never change."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Tells a script what to do next.

    Attributes:
        OK: done.
        PROBLEM: the command worked, and what it looked at is not right: `check`, `doctor` and
            `demo` say what.
        USAGE: the words of the command line can't be understood.
        CONFIG: the configuration, a keystore, a password, the journal, a manifest, a program that is
            needed or a file that is written can't be used. Correct it; nothing more was done.
        UNAVAILABLE: a chain or a registry can't be reached, or isn't ready. The same command may work later.
        REFUSED: a contract, a light client or our own verification refuses. Repeating does not help.
        TIMEOUT: what was waited for has not happened yet; it may still.
        NOT_FOUND: there is no such message or transaction.
        ABORTED: the question was answered with no.
        BUG: something happened that should not; please report it.
        INTERRUPTED: stopped by Ctrl-C.
    """

    OK = 0
    PROBLEM = 1
    USAGE = 2
    CONFIG = 3
    UNAVAILABLE = 4
    REFUSED = 5
    TIMEOUT = 6
    NOT_FOUND = 7
    ABORTED = 8
    BUG = 70
    INTERRUPTED = 130
