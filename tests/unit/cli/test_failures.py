# SPDX-License-Identifier: MIT
"""Which exit code an error stands for, and what is told of it."""

from __future__ import annotations

import errno

import pytest

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import describe, exit_code_of
from relayer.devnet.errors import ChainStartError, ProgramMissing
from relayer.journal.errors import JournalBroken, JournalClosed


@pytest.mark.parametrize("error", [JournalBroken("the disk is full"), JournalClosed("x")])
def test_a_journal_that_takes_no_writes_is_the_environments_fault(error: Exception) -> None:
    assert exit_code_of(error) is ExitCode.CONFIG


def test_a_missing_program_is_the_environments_fault_and_one_that_fails_is_not() -> None:
    assert exit_code_of(ProgramMissing("anvil is missing")) is ExitCode.CONFIG
    assert exit_code_of(ChainStartError("anvil ended")) is ExitCode.REFUSED


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_disk_that_refuses_is_no_fault_of_ours(number: int) -> None:
    told = describe(OSError(number, "the system's reason", "/a/file"))
    assert told["exit_code"] == ExitCode.CONFIG
    assert told["found"] == "/a/file: the system's reason"
    assert told["advice"]


def test_other_errors_of_the_system_stay_faults_of_ours() -> None:
    assert exit_code_of(OSError(errno.EBADF, "bad descriptor")) is ExitCode.BUG
    assert exit_code_of(OSError("without a number")) is ExitCode.BUG
