# SPDX-License-Identifier: MIT
"""Endless tasks that are started again when they end, so that one bad chain or lane never slows another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from relayer.journal.errors import JournalError
from relayer.metrics import Metrics

#: The pause before work is started again. It doubles while the work keeps ending soon.
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60.0
#: A task that ran for so long starts from the shortest pause again.
_HEALTHY_S: Final = 60.0


@dataclass(slots=True)
class _Supervised:
    name: str
    work: Callable[[], Awaitable[None]]
    task: asyncio.Task[None] | None = None


class Supervisor:
    """Runs endless work.

    What the work raises is logged and counted, and it begins anew after a bounded pause.

    Attributes:
        failure: set when the journal can't be written, which alone ends everything: the owner has to stop
            then.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._works: list[_Supervised] = []
        self._log = structlog.get_logger()
        self.failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Start work under a name that logs and metrics show. Must be called in the event loop."""
        supervised = _Supervised(name, work)
        supervised.task = asyncio.create_task(self._run(supervised), name=name)
        self._works.append(supervised)

    async def stop(self) -> None:
        """Cancel everything and wait for it."""
        tasks = [supervised.task for supervised in self._works if supervised.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._works.clear()

    async def _run(self, supervised: _Supervised) -> None:
        pause_s = _FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await supervised.work()
            except JournalError as error:
                # Nothing may be broadcast that is not journalled (INV-6), so this work is not started again.
                if not self.failure.done():
                    self.failure.set_result(error)
                return
            except Exception:  # noqa: BLE001  one task's fault, whatever it is, must not end the others
                self._log.exception(
                    "a task failed, it is started again", task=supervised.name, pause_s=pause_s
                )
            self._metrics.restarted(supervised.name)
            if loop.time() - started > _HEALTHY_S:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
