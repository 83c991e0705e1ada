# SPDX-License-Identifier: MIT
"""Endless work: started again when it fails or ends, ended by a broken journal alone."""

from __future__ import annotations

import asyncio

import pytest

from relayer.journal.errors import JournalBroken
from relayer.metrics import Metrics
from relayer.pipeline.supervise import Supervisor


@pytest.mark.parametrize("error", [ZeroDivisionError("a defect"), None])
async def test_work_that_ends_begins_anew_and_disturbs_no_other(error: Exception | None) -> None:
    supervisor = Supervisor(Metrics())
    begun: list[str] = []
    is_anew = asyncio.Event()

    async def short() -> None:
        begun.append("short")
        if begun.count("short") == 2:
            is_anew.set()
        if error is not None:
            raise error

    async def endless() -> None:
        begun.append("endless")
        await asyncio.get_running_loop().create_future()

    supervisor.start("short", short)
    supervisor.start("endless", endless)
    async with asyncio.timeout(10):
        await is_anew.wait()
    await supervisor.stop()
    assert begun.count("endless") == 1
    assert not supervisor.failure.done()
    await asyncio.sleep(0.6)
    assert begun.count("short") == 2


async def test_a_journal_that_can_not_be_written_ends_everything() -> None:
    supervisor = Supervisor(Metrics())
    broken = JournalBroken("a full disk", "space", "Make room")

    async def work() -> None:
        raise broken

    supervisor.start("work", work)
    async with asyncio.timeout(10):
        assert await supervisor.failure is broken
    await supervisor.stop()
