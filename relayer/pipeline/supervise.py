# SPDX-License-Identifier: MIT
"""Tasks that are started again when they end, each by itself: one bad chain or lane never slows another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from relayer.journal.errors import JournalError
from relayer.metrics import Metrics

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
#: A task that ran for so long starts from the shortest pause again.
_HEALTHY_S = 60.0


@dataclass(slots=True)
class _Supervised:
    name: str
    work: Callable[[], Awaitable[None]]
    task: asyncio.Task[None] | None = None
    last_error: str | None = None


class Supervisor:
    """Runs endless work. Whatever it raises is logged and counted, and the work begins anew after a bounded pause.

    Only a journal that can't be written ends everything: `failure` is set then.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._works: list[_Supervised] = []
        self._log = structlog.get_logger()
        self.failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Start work under a name that logs and metrics show."""
        supervised = _Supervised(name, work)
        supervised.task = asyncio.create_task(self._run(supervised), name=name)
        self._works.append(supervised)

    async def stop(self) -> None:
        """Cancel everything and wait for it."""
        tasks = [each.task for each in self._works if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._works.clear()

    def troubles(self) -> dict[str, str]:
        """What the works that are pausing now ended with, by name."""
        return {each.name: each.last_error for each in self._works if each.last_error is not None}

    async def _run(self, supervised: _Supervised) -> None:
        pause_s = _FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await supervised.work()
                supervised.last_error = "it ended"
            except JournalError as error:
                if not self.failure.done():
                    self.failure.set_result(error)
                return
            except Exception as error:  # noqa: BLE001  one task's fault, whatever it is, must not end the others
                supervised.last_error = f"{type(error).__name__}: {error}"
                self._log.exception(
                    "a task failed, it is started again", task=supervised.name, pause_s=pause_s
                )
            self._metrics.restarted(supervised.name)
            if loop.time() - started > _HEALTHY_S:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
            supervised.last_error = None
