# SPDX-License-Identifier: MIT
"""A command that is interrupted says how it goes on."""

from __future__ import annotations

import pytest

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.running import RUN_AGAIN, run_async


async def interrupted() -> None:
    raise KeyboardInterrupt


def test_ctrl_c_is_told_with_what_to_do() -> None:
    with pytest.raises(CommandFailed) as caught:
        run_async(interrupted(), when_interrupted=RUN_AGAIN)
    assert caught.value.code is ExitCode.INTERRUPTED
    assert "run the same command again" in caught.value.advice


def test_the_first_error_of_a_group_is_the_one_that_is_told() -> None:
    async def fail() -> None:
        raise ExceptionGroup("several", [ExceptionGroup("inner", [ValueError("first")]), TypeError("second")])

    with pytest.raises(ValueError, match="first"):
        run_async(fail(), "Trying it")
