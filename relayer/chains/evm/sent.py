# SPDX-License-Identifier: MIT
"""Sent messages from logs, fetched in ranges that providers accept; the leaf of each is
computed and compared.

A leaf commits to the lane's default gas limit when the sender gave none, and the log does not tell the
default of that moment. It is found by trying the ones that are known, then the lane's state around the block,
then its history. Guessing is safe: only the right limit gives the leaf.
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

#: Requests that the search for an old default may cost, before the message is reported as not reproduced.
_MAX_HISTORY_REQUESTS: Final = 200

#: Defaults that are remembered for a lane: more than an admin sets in its life, and a bound for a
#: lying provider.
_MAX_DEFAULTS: Final = 64

#: Answers whose provider is remembered, in case the proven head shows that they left something out.
_REMEMBERED: Final = 512

#: Asks for a lane's default gas limit at a block, or at the head.
ReadDefault = Callable[[LaneId, Height | None], Awaitable[int]]


class SentMessages:
    """Reads one gateway's messages, and remembers the default gas limits of its lanes.

    Args:
        pool: the providers of the chain.
        gateway: 20 bytes.
        chain_part: ERC-7930 bytes of the chain, which every sender must be on.
        read_default: asks for a lane's default gas limit.
        max_range: blocks in one request, to begin with; a refusal halves it, a success doubles it up to here.
    """

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
        """Return the messages of blocks first..last, by block and log index.

        Where a provider's logs do not reproduce a leaf, other providers are asked. A message that no
        provider's logs reproduce is returned as it was told; its `message.id` differs from `claimed_id`.
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
        """Charge every provider that answered for a range which overlaps blocks first..last.

        Only the proven head shows that a log was left out, and that comes long after the answer. So the last
        answers are remembered with their providers.
        """
        doubted = [told for told in self._told if told[0] <= last and first <= told[1]]
        for told in doubted:
            self._told.remove(told)
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
                    # One block can't be halved, so its refusal makes the pool ask the next provider.
                    range_is_final=first == last,
                )
            except ChainUnavailable:
                # Once a provider has answered, this means that nobody is left to ask. The messages are
                # returned as the first one told them, and their ids show that they are not reproduced.
                if not asked:
                    raise
                return told
            messages = await self._reproduce(answer.value)
            if all(message.message.id == message.claimed_id for message in messages):
                for provider in asked:
                    # This provider's logs reproduce the leaves that those of `asked` did not: theirs
                    # were changed.
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
                message = await self._try_lane_state(log)
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

    async def _try_lane_state(self, log: SentLog) -> Message:
        """Return the message with the default limit that the lane's state or history gives.

        Three blocks are tried first. The limit of now is right unless it was changed after the message; that
        of the message's block unless it was changed in the same block, after the message; that of the block
        before in this last case.
        """
        before = Height(max(log.block_number - 1, 0))
        gas_limit = 0
        for at in (None, log.block_number, before):
            try:
                gas_limit = await self._read_default(log.lane_id, at)
            except PostroadError:
                # Providers drop old state and keep old logs, which `_learn_history` reads.
                continue
            self._learn(LaneDefault(log.lane_id, gas_limit))
            message = self._try_known(log)
            if message is not None:
                return message
        await self._learn_history(log.lane_id, log.block_number)
        return self._try_known(log) or _to_message(log, gas_limit)

    async def _learn_history(self, lane_id: LaneId, last: Height) -> None:
        """Learn every default that a lane had up to a block from its LaneLimited events, the newest first."""
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
