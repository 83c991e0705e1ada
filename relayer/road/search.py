# SPDX-License-Identifier: MIT
"""Find messages and deliveries in the gateways' logs.

A message's id is its leaf's hash, so a message that is found can't be a forgery. Which transaction delivered
it is hearsay: nothing but a proof tells that it was delivered at all, and nothing here is asked before there
is one.

Logs are read from the newest block backwards, in ranges that are halved where a provider refuses their size.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from light_clients.client import Height
from relayer.chains.base import DeliveredRange, SentMessage, TxHash, TxReceipt
from relayer.chains.evm.abi import DELIVERED, MESSAGE_APPENDED
from relayer.chains.evm.events import Log, decode_delivery_logs, parse_bytes, parse_quantity
from relayer.chains.evm.node import Topic
from relayer.consensus.open_chain import OpenChain
from relayer.errors import NotFoundYet, PostroadError, RpcAnswerInvalid, RpcRefused
from relayer.protocol.message import PAGE_BITS, LaneId, MessageId
from relayer.views.delivery import DeliveryView

#: Lane, sequence and id are indexed, and few logs match. So a provider is asked for all blocks at once first.
_WHOLE_CHAIN: Final = 1 << 62
#: A provider that refuses even so few blocks serves no logs, and is not asked on.
_LEAST_WINDOW: Final = 64
#: A lane in use has a delivery every few blocks: the whole chain's at once would be refused, or be
#: very large.
_DELIVERY_WINDOW: Final = 8_192
#: With windows that double from there on, some months of blocks.
_MOST_DELIVERY_REQUESTS: Final = 32


async def find_sent(source: OpenChain, message_id: bytes) -> SentMessage | None:
    """Find a message on the chain that may have sent it; None when it has not. Raises ChainUnavailable."""
    async for logs in _newest_first(source, [MESSAGE_APPENDED, None, None, message_id]):
        if logs:
            return await read_sent(source, Height(_number(logs[-1].get("blockNumber"))), message_id)
    return None


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
    found: dict[int, MessageId] = {}
    async for logs in _newest_first(source, [MESSAGE_APPENDED, lane, sequences]):
        for log in logs:
            topics = log["topics"]
            found[int(topics[2], 16)] = MessageId(bytes.fromhex(topics[3][2:]))
        if len(found) >= len(sequences):
            break
    missing = [number for number in range(first, last + 1) if number not in found]
    if missing:
        raise NotFoundYet(
            f"the logs of {source.name} lack message {missing[0]} of its lane",
            "every message of the page",
            "Try again.",
        )
    return [found[number] for number in range(first, last + 1)]


async def find_delivery(
    destination: OpenChain, lane: LaneId, sequence: int, known: DeliveryView | None = None
) -> DeliveryView | None:
    """Find the transaction that executed a message whose bit is proven. It is hearsay.

    It is checked against its receipt's logs where the destination has the receipt (`is_checked`).

    `known` is what a journal tells, unchecked. It is given back where the destination has no receipt of it,
    and passed over where its receipt shows that another transaction executed the message. The search in logs
    ends after some months of blocks; None where nothing was found until then.

    Raises:
        ChainUnavailable, RpcRefused, PostroadError: the destination can't be asked.
    """
    if known is not None:
        receipt = await destination.chain.receipt(TxHash(known.tx_hash))
        if receipt is None:
            return known
        if shows_delivery(receipt.delivered, lane, sequence):
            return await _checked(destination, receipt, known)
    windows = _newest_first(
        destination, [DELIVERED, lane], window=_DELIVERY_WINDOW, most_requests=_MOST_DELIVERY_REQUESTS
    )
    async for logs in windows:
        for log in reversed(logs):
            told = _delivery_told(destination, log, lane, sequence)
            if told is None:
                continue
            receipt = await destination.chain.receipt(TxHash(told.tx_hash))
            if receipt is None:
                return told
            if shows_delivery(receipt.delivered, lane, sequence):
                return await _checked(destination, receipt, told)
    return None


def shows_delivery(ranges: Iterable[DeliveredRange], lane: LaneId, sequence: int) -> bool:
    """Whether `Delivered` events show that a message was executed."""
    page, bit = sequence >> PAGE_BITS, sequence & 0xFF
    return any(
        delivered.lane_id == lane and delivered.first >> PAGE_BITS == page and delivered.mask >> bit & 1
        for delivered in ranges
    )


def _delivery_told(
    destination: OpenChain, log: Mapping[str, Any], lane: LaneId, sequence: int
) -> DeliveryView | None:
    """What one log tells; None where it is not of the message."""
    try:
        read = msgspec.convert(log, Log)
    except msgspec.ValidationError as error:
        raise RpcAnswerInvalid(f"{destination.name} gave a log of another shape ({error})", "a log") from None
    ranges, _ = decode_delivery_logs([read], destination.chain.gateway)
    if not shows_delivery(ranges, lane, sequence):
        return None
    return DeliveryView(
        tx_hash=parse_bytes(read.transaction_hash, 32),
        block=parse_quantity(read.block_number),
        timestamp=None,
        told_by="logs",
        is_checked=False,
    )


async def _checked(destination: OpenChain, receipt: TxReceipt, told: DeliveryView) -> DeliveryView:
    try:
        block = await destination.chain.block(receipt.block_number)
        timestamp = _number(block.get("timestamp"))
    except PostroadError:
        # The transaction is known all the same.
        timestamp = None
    return DeliveryView(
        tx_hash=receipt.tx_hash,
        block=receipt.block_number,
        timestamp=timestamp,
        told_by=told.told_by,
        is_checked=True,
    )


async def _newest_first(
    chain: OpenChain,
    topics: Sequence[Topic],
    *,
    window: int = _WHOLE_CHAIN,
    most_requests: int | None = None,
) -> AsyncIterator[list[Mapping[str, Any]]]:
    """Give a gateway's logs in ranges of blocks, the newest range first, until block 0 or `most_requests`.

    Each range is twice as long as the one before, until a provider refuses one. Raises
    ChainUnavailable, PostroadError.
    """
    end = _number((await chain.node.block("latest")).get("number"))
    growth, requests = 2, 0
    while end >= 0 and (most_requests is None or requests < most_requests):
        start = max(0, end - window + 1)
        requests += 1
        try:
            logs = await chain.node.logs(chain.chain.gateway, topics, start, end, split=False)
        except RpcRefused:
            # Windows stop growing, for what was refused once would be refused again.
            window, growth = _halve(min(window, end - start + 1)), 1
            continue
        yield logs
        end, window = start - 1, window * growth


def _halve(window: int) -> int:
    if window <= _LEAST_WINDOW:
        raise PostroadError(
            f"a provider refuses the logs of {window} blocks",
            "logs of the gateway",
            "Configure another provider.",
        )
    return window // 2


def _number(value: object) -> int:
    if not isinstance(value, str):
        raise RpcAnswerInvalid(f"the number {value!r}", "hex with 0x")
    return parse_quantity(value)
