# SPDX-License-Identifier: MIT
"""Find a message by its id in the gateways' logs. Its id is its leaf's hash, so whatever is found can't be a forgery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from light_clients.client import Height
from relayer.chains.base import SentMessage
from relayer.chains.evm.abi import MESSAGE_APPENDED
from relayer.chains.evm.node import Topic
from relayer.consensus.open_chain import OpenChain
from relayer.errors import NotFoundYet, PostroadError, RpcAnswerInvalid, RpcRefused
from relayer.protocol.message import LaneId, MessageId

_FIRST_WINDOW = 1 << 62
_LEAST_WINDOW = 64


async def find_sent(source: OpenChain, message_id: bytes) -> SentMessage | None:
    """Find a message on the chain that may have sent it; None when it has not. Raises ChainUnavailable."""
    log = await _find_log(source, [MESSAGE_APPENDED, None, None, message_id])
    if log is None:
        return None
    return await read_sent(source, Height(_number(log.get("blockNumber"))), message_id)


async def read_sent(source: OpenChain, block: Height, message_id: bytes) -> SentMessage | None:
    """Read a message from the logs of a block, reproduced from its parts; None when it isn't there."""
    for sent in await source.chain.sent_messages(block, block):
        if sent.message.id == message_id:
            return sent
    return None


async def find_leaves(source: OpenChain, lane: LaneId, first: int, last: int) -> list[MessageId]:
    """Read the leaves of the sequences first..last of a lane from its logs (at most a page of them).

    Unverified, but a wrong one leads to no head that can be proven. Raises NotFoundYet when some are missing.
    """
    sequences = [number.to_bytes(32) for number in range(first, last + 1)]
    head = _number((await source.node.block("latest")).get("number"))
    found: dict[int, MessageId] = {}
    window, end = _FIRST_WINDOW, head
    while end >= 0 and len(found) < len(sequences):
        start = max(0, end - window + 1)
        try:
            logs = await _ask(source, [MESSAGE_APPENDED, lane, sequences], start, end)
        except RpcRefused:
            window = _halve(min(window, end - start + 1))
            continue
        for log in logs:
            topics = log["topics"]
            found[int(topics[2], 16)] = MessageId(bytes.fromhex(topics[3][2:]))
        end = start - 1
    missing = [number for number in range(first, last + 1) if number not in found]
    if missing:
        raise NotFoundYet(
            f"the logs of {source.name} lack message {missing[0]} of its lane",
            "every message of the page",
            "Try again.",
        )
    return [found[number] for number in range(first, last + 1)]


async def _find_log(source: OpenChain, topics: Sequence[Topic]) -> Mapping[str, Any] | None:
    """Look for one log, newest blocks first; the range is halved where a provider refuses its size."""
    end = _number((await source.node.block("latest")).get("number"))
    window = _FIRST_WINDOW
    while end >= 0:
        start = max(0, end - window + 1)
        try:
            logs = await _ask(source, topics, start, end)
        except RpcRefused:
            window = _halve(min(window, end - start + 1))
            continue
        if logs:
            return logs[-1]
        end = start - 1
    return None


async def _ask(source: OpenChain, topics: Sequence[Topic], first: int, last: int) -> list[Mapping[str, Any]]:
    return await source.node.logs(source.chain.gateway, topics, first, last, split=False)


def _halve(window: int) -> int:
    if window <= _LEAST_WINDOW:
        raise PostroadError(
            f"a provider refuses the logs of {window} blocks",
            "logs of the gateway",
            "Configure another provider.",
        )
    return window // 2


def _number(value: object) -> int:
    if isinstance(value, str):
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise RpcAnswerInvalid(f"the block number {value!r}", "hex with 0x")
