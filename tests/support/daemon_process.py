# SPDX-License-Identifier: MIT
"""The daemon as operators run it: a process of its own, which can be measured and killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE

_TICKS = os.sysconf("SC_CLK_TCK")
_COMMAND = "from relayer.cli import main; main()"


@dataclass(frozen=True)
class Usage:
    """What a process has used. `rss_mb` now, `peak_mb` at most since its start."""

    cpu_s: float
    rss_mb: float
    peak_mb: float


class DaemonProcess:
    """`postroad run` on a configuration file."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._process: asyncio.subprocess.Process | None = None
        self.log = config.parent / "daemon.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _COMMAND,
                "run",
                "--config",
                str(self._config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {PASSWORD_VARIABLE: PASSWORD},
            )

    def usage(self) -> Usage:
        """Read from /proc: user and system time of all threads, resident memory."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        status = dict(
            line.split(":", 1)
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines()
            if ":" in line
        )
        return Usage(
            cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS,
            rss_mb=int(status["VmRSS"].split()[0]) / 1024,
            peak_mb=int(status["VmHWM"].split()[0]) / 1024,
        )

    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self, timeout_s: float = 30.0) -> int:
        """SIGTERM, as a service manager does it; the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(timeout_s):
                    await self._process.wait()
            except TimeoutError:
                await self.kill()
                raise
        assert self._process.returncode is not None
        return self._process.returncode

    @contextlib.asynccontextmanager
    async def guarded(self) -> AsyncIterator[None]:
        """Print what it said last when the context fails, and leave no process behind."""
        try:
            yield
        except BaseException:
            print(self.log_end(40))
            raise
        finally:
            if self.is_running():
                await self.kill()

    def log_end(self, lines: int = 20) -> str:
        """The end of what it said."""
        return (
            "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
        )
