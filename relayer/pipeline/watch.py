# SPDX-License-Identifier: MIT
"""Watch: new heads as they come, and the logs up to them. Nothing here is believed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from light_clients.client import Height
from relayer.chains.base import Chain, Head, SentMessage
from relayer.pipeline.steps import Observed

#: Blocks read at once while catching up. Providers that allow less are asked for less by the chain.
_FIRST_SPAN = 2_000
_LONGEST_SPAN = 50_000
#: More messages than this in one piece would hold up what comes after it.
_MANY_MESSAGES = 4_096


class HeadWatcher:
    """Keeps the newest head that a chain tells of. A consumer that is slow skips heads; none is queued."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._newest: Head | None = None
        self._fresh = asyncio.Event()

    @property
    def newest(self) -> Head | None:
        """The newest head; None before the first."""
        return self._newest

    async def run(self) -> None:
        """Follow the chain's heads until cancelled. Errors of the chain end it; its supervisor starts it again."""
        async for head in self._chain.heads():
            self._newest = head
            self._fresh.set()

    def nudge(self) -> None:
        """Hand the newest head out another time: something besides it wants to be looked at."""
        if self._newest is not None:
            self._fresh.set()

    async def next(self) -> Head:
        """Wait for a head that was not handed out before, or a nudge."""
        await self._fresh.wait()
        self._fresh.clear()
        assert self._newest is not None
        return self._newest


@dataclass(slots=True)
class LogScanner:
    """Reads the gateway's logs onwards from a height, in spans that adapt to how much is in them."""

    chain: Chain
    scanned: int
    _span: int = _FIRST_SPAN

    async def scan(self, to: Height) -> Observed:
        """Read the next span of blocks, at most to `to`. Nothing is read when `to` was reached."""
        first, last = self.scanned + 1, min(self.scanned + self._span, to)
        if last < first:
            return Observed(first, self.scanned, ())
        sent = await self.chain.sent_messages(Height(first), Height(last))
        # A message outside of the blocks that were asked for would be read twice, or never again.
        kept = tuple(each for each in sent if first <= each.block_number <= last)
        if len(kept) > _MANY_MESSAGES:
            self._span = max(1, (last - first + 1) * _MANY_MESSAGES // len(kept))
        elif len(kept) < _MANY_MESSAGES // 4:
            self._span = min(_LONGEST_SPAN, self._span * 2)
        return Observed(first, last, kept)

    async def read_again(self, first: int, last: int) -> list[SentMessage]:
        """Read blocks first..last another time, in spans."""
        sent: list[SentMessage] = []
        while first <= last:
            stop = min(first + _FIRST_SPAN - 1, last)
            sent += await self.chain.sent_messages(Height(first), Height(stop))
            first = stop + 1
        return sent
