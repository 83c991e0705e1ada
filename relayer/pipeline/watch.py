# SPDX-License-Identifier: MIT
"""Watch: new heads as they come, and the logs up to them. It is a provider's word: nothing here
is verified.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from light_clients.client import Height
from relayer.chains.base import Chain, Head, SentMessage

#: Blocks read at once while catching up. Providers that allow less are asked for less by the chain.
_FIRST_SPAN: Final = 2_000
_LONGEST_SPAN: Final = 50_000
#: A span with more messages than this would keep the chain's task from its other work for too long.
_MANY_MESSAGES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Observed:
    """The messages that logs tell of in blocks first..last, of all lanes of the chain."""

    first: int
    last: int
    sent: tuple[SentMessage, ...]


class HeadWatcher:
    """Keeps the newest head that providers tell of. A slow consumer skips heads; none is queued."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._newest: Head | None = None
        self._fresh = asyncio.Event()

    @property
    def newest(self) -> Head | None:
        """The newest head; None before the first one."""
        return self._newest

    async def run(self) -> None:
        """Follow the chain's heads until cancelled.

        An error of the chain ends it; the supervisor starts it again.
        """
        async for head in self._chain.heads():
            self._newest = head
            self._fresh.set()

    def wake(self) -> None:
        """Have `next` return the newest head another time: something other than a new head needs a step."""
        if self._newest is not None:
            self._fresh.set()

    async def next(self) -> Head:
        """Wait for a head that was not returned before, or for a wake, and return the newest head."""
        await self._fresh.wait()
        self._fresh.clear()
        assert self._newest is not None
        return self._newest


@dataclass(slots=True)
class LogScanner:
    """Reads the gateway's logs onwards, in spans that grow and shrink with the messages in them.

    Attributes:
        scanned: the block up to which logs were read; whoever has taken what `scan` returned moves it on.
    """

    chain: Chain
    scanned: int
    _span: int = _FIRST_SPAN

    async def scan(self, to: Height) -> Observed:
        """Read the next span of blocks, at most to `to`.

        Nothing is read when `to` was reached. Raises Retryable.
        """
        first, last = self.scanned + 1, min(self.scanned + self._span, to)
        if last < first:
            return Observed(first, self.scanned, ())
        sent = await self.chain.sent_messages(Height(first), Height(last))
        # A provider may add messages of other blocks; taken here, they would be read twice or never again.
        kept = tuple(message for message in sent if first <= message.block_number <= last)
        if len(kept) > _MANY_MESSAGES:
            self._span = max(1, (last - first + 1) * _MANY_MESSAGES // len(kept))
        elif len(kept) < _MANY_MESSAGES // 4:
            # Twice as many blocks like these stay below half of the bound.
            self._span = min(_LONGEST_SPAN, self._span * 2)
        return Observed(first, last, kept)

    async def read_again(self, first: int, last: int) -> list[SentMessage]:
        """Read blocks first..last another time, in spans, and return their messages. Raises Retryable."""
        sent: list[SentMessage] = []
        while first <= last:
            stop = min(first + _FIRST_SPAN - 1, last)
            sent += await self.chain.sent_messages(Height(first), Height(stop))
            first = stop + 1
        return sent
