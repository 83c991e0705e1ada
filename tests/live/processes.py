# SPDX-License-Identifier: MIT
"""Programs of others, started and ended by us: niced, with a log each, and never outliving the run."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

_NICE = 5
_STOP_S = 8.0
_PR_SET_PDEATHSIG = 1
# Of Linux: the port range below it is not handed out for outgoing connections.
_LOWEST_PORT, _HIGHEST_PORT = 20_000, 32_000


class ProgramError(RuntimeError):
    """A program ended, or did not do in time what it should; the text has the end of its log."""


class Program:
    """A running program, as an async context manager."""

    def __init__(
        self,
        name: str,
        words: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._words = [str(word) for word in words]
        self._folder = folder
        self._environment = os.environ | (environment or {})
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._words,
                cwd=self._folder,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_settle,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal, and by SIGKILL where it takes too long. Does nothing where it has ended."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        # By its own id only: it may have had children of its own, which end with it.
        process.send_signal(how)
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def wait(self) -> int:
        """Wait for its end; its exit code."""
        if self._process is None:
            raise ProgramError(f"{self.name} was not started")
        return await self._process.wait()

    def check(self) -> None:
        """Raise ProgramError when it has ended."""
        if self._process is None or self._process.returncode is not None:
            code = None if self._process is None else self._process.returncode
            raise ProgramError(f"{self.name} ended with {code}:\n{self.log_end()}")

    def log_end(self, lines: int = 15) -> str:
        """The end of what it said."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def peak_mb(self) -> float:
        """The most memory that it ever had resident, in MB; 0 where the system does not tell."""
        if self._process is None:
            return 0.0
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return 0.0


def make_folder(folder: Path) -> None:
    """Make a program's folder; it must not be there yet."""
    folder.mkdir()


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on, below those that the system hands out."""
    found: list[int] = []
    start = _LOWEST_PORT + os.getpid() % 9_000
    for port in range(start, _HIGHEST_PORT):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise ProgramError(f"found {len(found)} free ports, expected {count}")


def _settle() -> None:
    os.nice(_NICE)
    if sys.platform == "linux":
        # Ends with us, also where we are killed and can end nothing.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
