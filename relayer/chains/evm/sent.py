# SPDX-License-Identifier: MIT
"""Messages from logs: fetched in ranges that providers accept, each leaf reproduced.

A leaf commits to the lane's default gas limit when the sender gave none. The limit at that moment is found by
trying those that are known: guessing is safe, since the leaf says which one is right.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from light_clients.client import Height
from relayer.chains.base import Address, SentMessage
from relayer.chains.evm.events import (
    LIMITED_TOPIC,
    SENT_TOPICS,
    LaneDefault,
    Log,
    SentLog,
    SentLogs,
    decode_sent_logs,
)
from relayer.chains.rpc_pool import RpcPool
from relayer.errors import ChainUnavailable, PostroadError, RangeRefused
from relayer.protocol.message import LaneId, Message, Sequence

# What the search for an old default may cost before the message is reported instead.
_MAX_HISTORY_REQUESTS: Final = 200

# More different defaults than an admin sets in a lane's life; a bound against a lying provider.
_MAX_DEFAULTS: Final = 64

# Answers whose provider is remembered, should they turn out to leave something out.
_REMEMBERED: Final = 512

ReadDefault = Callable[[LaneId, Height | None], Awaitable[int]]
"""A lane's default gas limit at a block, or now."""


class SentMessages:
    """Reads one gateway's messages. Remembers the default gas limits of its lanes."""

    def __init__(
        self,
        pool: RpcPool,
        gateway: Address,
        chain_part: bytes,
        read_default: ReadDefault,
        max_range: int,
    ) -> None:
        self._pool = pool
        self._gateway = gateway
        self._chain_part = chain_part
        self._read_default = read_default
        self._max_range = max_range
        self._range = max_range
        self._defaults: dict[LaneId, dict[int, None]] = {}
        self._told: deque[tuple[Height, Height, str]] = deque(maxlen=_REMEMBERED)

    async def read(self, first: Height, last: Height) -> list[SentMessage]:
        """Messages of blocks first..last, by block and log index.

        Where a provider's logs do not reproduce a leaf, other providers are asked; what no provider's logs
        reproduce is returned as it was told, its `message.id` differing from `claimed_id`.
        """
        found: list[SentMessage] = []
        start = first
        while start <= last:
            end = Height(min(last, start + self._range - 1))
            try:
                found += await self._read_range(start, end)
            except RangeRefused:
                self._shrink(end - start + 1)
                continue
            self._range = min(self._max_range, 2 * self._range)
            start = Height(end + 1)
        return found

    def doubt(self, first: Height, last: Height) -> None:
        """Blame every provider that told of a range which touches blocks first..last.

        Only the proven head shows that a log was left out, long after the answer, so answers are remembered
        for a while.
        """
        doubted = [item for item in self._told if item[0] <= last and first <= item[1]]
        for item in doubted:
            self._told.remove(item)
        for provider in {provider for _, _, provider in doubted}:
            self._pool.blame(provider)

    async def _read_range(self, first: Height, last: Height) -> list[SentMessage]:
        query = {
            "address": "0x" + self._gateway.hex(),
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "topics": [list(SENT_TOPICS)],
        }

        def check(logs: list[Log]) -> SentLogs:
            return decode_sent_logs(logs, self._gateway, self._chain_part, first, last)

        asked: set[str] = set()
        told: list[SentMessage] = []
        while True:
            try:
                answer = await self._pool.ask(
                    "eth_getLogs",
                    [query],
                    check,
                    answer_type=list[Log],
                    exclude=frozenset(asked),
                    range_is_final=first == last,
                )
            except ChainUnavailable:
                if not asked:
                    raise
                return told
            messages = await self._reproduce(answer.value)
            if all(message.message.id == message.claimed_id for message in messages):
                for provider in asked:
                    # Another one's logs reproduce what these said was so: they were changed.
                    self._pool.blame(provider)
                self._told.append((first, last, answer.provider))
                return messages
            told = told or messages
            asked.add(answer.provider)

    async def _reproduce(self, logs: SentLogs) -> list[SentMessage]:
        for default in logs.defaults:
            self._learn(default)
        messages: list[SentMessage] = []
        for index, log in enumerate(logs.messages):
            message = self._try_known(log)
            if message is None:
                message = await self._try_lane_word(log)
            messages.append(
                SentMessage(
                    message, log.claimed_id, log.block_number, log.block_hash, log.tx_hash, log.log_index
                )
            )
            if index % 256 == 255:
                # A block of thousands must not keep other chains waiting.
                await asyncio.sleep(0)
        return messages

    def _try_known(self, log: SentLog) -> Message | None:
        if log.gas_limit is not None:
            # Nothing is left to guess: right or wrong, this is the message as told.
            return _to_message(log, log.gas_limit)
        for gas_limit in reversed(self._defaults.get(log.lane_id, {})):
            message = _to_message(log, gas_limit)
            if message.id == log.claimed_id:
                return message
        return None

    async def _try_lane_word(self, log: SentLog) -> Message:
        """The limit may have been changed before the range (now is right), after it,
        or in the message's own block.
        """
        before = Height(max(log.block_number - 1, 0))
        gas_limit = 0
        for at in (None, log.block_number, before):
            try:
                gas_limit = await self._read_default(log.lane_id, at)
            except PostroadError:
                # Old state is often gone; the limits' own history is not.
                continue
            self._learn(LaneDefault(log.lane_id, gas_limit))
            message = self._try_known(log)
            if message is not None:
                return message
        await self._learn_history(log.lane_id, log.block_number)
        return self._try_known(log) or _to_message(log, gas_limit)

    async def _learn_history(self, lane_id: LaneId, last: Height) -> None:
        """Every default that a lane had up to a block, by its LaneLimited events, newest range first."""
        end = int(last)
        for _ in range(_MAX_HISTORY_REQUESTS):
            start = max(0, end - self._range + 1)
            query = {
                "address": "0x" + self._gateway.hex(),
                "fromBlock": hex(start),
                "toBlock": hex(end),
                "topics": [LIMITED_TOPIC, "0x" + lane_id.hex()],
            }

            def check(logs: list[Log], start: int = start, end: int = end) -> SentLogs:
                return decode_sent_logs(logs, self._gateway, self._chain_part, start, end)

            try:
                answer = await self._pool.ask(
                    "eth_getLogs", [query], check, answer_type=list[Log], range_is_final=start == end
                )
            except RangeRefused:
                self._shrink(end - start + 1)
                continue
            except PostroadError:
                return
            for default in answer.value.defaults:
                self._learn(default)
            if start == 0:
                return
            end = start - 1

    def _shrink(self, refused: int) -> None:
        # Providers rarely say how much they would serve.
        self._range = max(1, refused // 2)

    def _learn(self, default: LaneDefault) -> None:
        known = self._defaults.setdefault(default.lane_id, {})
        # The newest last: it is tried first.
        known.pop(default.gas_limit, None)
        known[default.gas_limit] = None
        if len(known) > _MAX_DEFAULTS:
            del known[next(iter(known))]


def _to_message(log: SentLog, gas_limit: int) -> Message:
    return Message(
        log.lane_id,
        Sequence(log.sequence),
        log.sender,
        log.recipient,
        gas_limit,
        log.deadline,
        0,
        log.payload,
    )
