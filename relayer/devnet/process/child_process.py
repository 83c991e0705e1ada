# SPDX-License-Identifier: MIT
"""A program that runs for us: started in a group of its own, watched, and gone however its parent ends."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

from relayer.devnet.errors import ChainStartError
from relayer.devnet.process.process_identity import is_same_process, start_mark

START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 3.0

# What atexit kills, should nobody have stopped it: process ids, with what tells each from a later process of
# the same id.
_running: dict[int, str] = {}


class ChildProcess:
    """A running program. Made by `start`."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, is_ready: Callable[[str], bool]
    ) -> None:
        self._name = name
        self._process = process
        self._is_ready = is_ready
        # The last words, which say why it ended.
        self._output: deque[str] = deque(maxlen=5)
        self._ready = asyncio.Event()
        self._drain = asyncio.create_task(self._read_output(), name=f"{name} {process.pid} output")
        _running[process.pid] = start_mark(process.pid)

    @classmethod
    async def start(
        cls,
        name: str,
        words: Sequence[str],
        *,
        is_ready: Callable[[str], bool] = lambda _: False,
        guard: bool | None = None,
    ) -> Self:
        """Start a program; it need not be ready when this returns.

        Args:
            name: of the program, for errors.
            words: its absolute path, and its arguments.
            is_ready: whether a line of its output says that it can be used.
            guard: watch over it with a process of its own instead of the kernel's parent-death signal; None =
                only where the kernel has none.
        """
        guarded = sys.platform != "linux" if guard is None else guard
        script = str(Path(__file__).with_name("child_guard.py"))
        mode = "watch" if guarded else "signal"
        # A group of its own: Ctrl-C in a terminal is for us to answer, in order, and not for it to die of at
        # once. Its folder is /, so that no file of a user's folder configures it.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", script, mode, str(os.getpid()), *words),
            stdin=asyncio.subprocess.PIPE if guarded else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
        return cls(name, process, is_ready)

    @property
    def pid(self) -> int:
        """Of the program, or of the guard that runs it."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._process.returncode

    async def wait(self) -> str:
        """Wait until it ends, and say how it ended."""
        code = await self._process.wait()
        await asyncio.wait([self._drain], timeout=1)
        said = "; ".join(self._output)
        return f"{self._name} ended with code {code}" + (f" and said: {said}" if said else "")

    async def wait_ready(self) -> None:
        """Wait until it says that it can be used. Raises ChainStartError when it ends or takes too long."""
        ended = asyncio.create_task(self._process.wait())
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait([ended, ready], timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (ended, ready):
                task.cancel()
            await asyncio.gather(ended, ready, return_exceptions=True)
        if self._ready.is_set():
            return
        if self.exit_code is not None:
            raise ChainStartError(await self.wait(), f"{self._name}, running")
        raise ChainStartError(f"{self._name} was not ready within {START_TIMEOUT_S:.0f} s of its start")

    async def stop(self, patience_s: float = STOP_TIMEOUT_S) -> None:
        """End it, politely first. Safe to call twice."""
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(patience_s):
                    await self._process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()
        _running.pop(self._process.pid, None)
        self._drain.cancel()
        await asyncio.gather(self._drain, return_exceptions=True)

    async def _read_output(self) -> None:
        # The pipe must be emptied, or a talkative program would stand still once it is full.
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            text = line.decode(errors="replace").strip()
            if not text:
                continue
            if not self._ready.is_set() and self._is_ready(text):
                self._ready.set()
            else:
                self._output.append(text)


def running_pids() -> frozenset[int]:
    """Return the process ids of the programs (or guards) that this process has started and not stopped."""
    return frozenset(_running)


def _kill_leftovers() -> None:
    for pid, mark in _running.items():
        if is_same_process(pid, mark):
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)


atexit.register(_kill_leftovers)
# A forked child has none of these children.
os.register_at_fork(after_in_child=_running.clear)
