# SPDX-License-Identifier: MIT
"""Reads of the newest state and its change never overlap, and neither starves the other."""

from __future__ import annotations

import asyncio

import pytest

from relayer.devnet.process import read_gate as gate_module
from relayer.devnet.process.read_gate import ReadGate


async def test_readers_and_writers_take_turns() -> None:
    gate, readers, writers, most = ReadGate(), 0, 0, 0

    async def read() -> None:
        nonlocal readers, most
        for _ in range(20):
            async with gate.reading():
                readers += 1
                most = max(most, readers)
                assert writers == 0
                await asyncio.sleep(0)
                assert writers == 0
                readers -= 1
            await asyncio.sleep(0)

    async def write() -> None:
        nonlocal writers
        for _ in range(20):
            async with gate.writing():
                writers += 1
                assert (readers, writers) == (0, 1)
                await asyncio.sleep(0)
                assert (readers, writers) == (0, 1)
                writers -= 1
            await asyncio.sleep(0)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for work in (read, read, read, write, write):
            group.create_task(work())
    assert most == 3


async def test_a_writer_goes_before_readers_that_come_later() -> None:
    gate, order = ReadGate(), []

    async def read(name: str) -> None:
        async with gate.reading():
            order.append(name)

    async def write() -> None:
        async with gate.writing():
            order.append("write")

    async with asyncio.TaskGroup() as group, gate.reading():
        group.create_task(write())
        await asyncio.sleep(0)
        group.create_task(read("late"))
        await asyncio.sleep(0)
        order.append("early")
    assert order == ["early", "write", "late"]


async def test_a_reader_that_never_ends_does_not_stop_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "PATIENCE_S", 0.01)
    gate = ReadGate()
    async with asyncio.timeout(5), gate.reading(), gate.writing():
        pass
    async with gate.reading():
        pass


async def test_a_failed_writer_opens_the_gate_again() -> None:
    gate = ReadGate()
    with pytest.raises(ValueError, match="broken"):
        async with gate.writing():
            raise ValueError("broken")
    async with asyncio.timeout(1), gate.reading():
        pass
