# SPDX-License-Identifier: MIT
"""Keeps reads of the newest state and its change apart.

anvil serves the state of its newest block from the database that it executes the next one in. A read at the
wrong moment gets the next block's state under this block's number, and a proof that fits no header.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

#: A call that computes for ever must not stop the chain; its own answer may then be of the wrong block.
PATIENCE_S: Final = 10.0


class ReadGate:
    """Any number of readers, or one writer, who goes before readers that come later."""

    def __init__(self) -> None:
        self._readers = 0
        self._open = asyncio.Event()
        self._open.set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._writing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Hold the newest state still."""
        while not self._open.is_set():
            await self._open.wait()
        self._readers += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._readers -= 1
            if self._readers == 0:
                self._empty.set()

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Change the newest state."""
        async with self._writing:
            # The gate closes before readers are waited for: new ones could keep the writer out for ever.
            self._open.clear()
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE_S):
                        await self._empty.wait()
                yield
            finally:
                self._open.set()
