# SPDX-License-Identifier: MIT
"""Logs of our gateway, decoded from JSON into messages. This is the hot path of watching, and hostile input.

A real gateway emits MessageSent and MessageAppended together, so logs that break the pairing, their own
lengths or the asked range are a provider's fault, never a message's: they raise RpcAnswerInvalid, and another
provider is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from light_clients.client import Height
from relayer.chains.base import DeliveredRange, DeliveryEvent, DeliveryEventKind, TxHash
from relayer.chains.evm.abi import (
    CHANNEL,
    DEADLINE,
    DELIVERED,
    LANE_LIMITED,
    MESSAGE_APPENDED,
    MESSAGE_EXPIRED,
    MESSAGE_FAILED,
    MESSAGE_SENT,
    MIN_GAS_LIMIT,
)
from relayer.errors import RpcAnswerInvalid
from relayer.protocol.message import LaneId, MessageId

_SENT: Final = "0x" + MESSAGE_SENT.hex()
LIMITED_TOPIC: Final = "0x" + LANE_LIMITED.hex()
_APPENDED: Final = "0x" + MESSAGE_APPENDED.hex()
_DELIVERED: Final = "0x" + DELIVERED.hex()
_FAILED: Final = "0x" + MESSAGE_FAILED.hex()
_EXPIRED: Final = "0x" + MESSAGE_EXPIRED.hex()

#: The events to ask `eth_getLogs` for. The third one is rare: it tells a lane's default gas limit, and leaves
#: commit to that.
SENT_TOPICS: Final = (_SENT, _APPENDED, LIMITED_TOPIC)

#: The inbox copies no more of what a recipient reverts with (docs/security-model.md).
_MAX_REASON: Final = 32


# Logs come by the thousand and refer to nothing in a circle, so the collector leaves them out.
class Log(msgspec.Struct, rename="camel", gc=False):
    """The fields that we read of a log, as the provider wrote them."""

    address: str
    topics: list[str]
    data: str
    block_number: str
    block_hash: str
    transaction_hash: str
    log_index: str
    removed: bool = False


class SentLog(NamedTuple):
    """A MessageSent and its MessageAppended, decoded but not verified.

    `gas_limit` is None where the sender gave none: the leaf then commits to the lane's default at that time.
    Sender and recipient are padded to 32 bytes on the left.
    """

    lane_id: LaneId
    sequence: int
    claimed_id: MessageId
    sender: bytes
    recipient: bytes
    gas_limit: int | None
    deadline: int
    payload: bytes
    block_number: Height
    block_hash: bytes
    tx_hash: TxHash
    log_index: int


class LaneDefault(NamedTuple):
    """A lane's default gas limit, as a LaneLimited event gives it."""

    lane_id: LaneId
    gas_limit: int


class SentLogs(NamedTuple):
    """What the logs of a range of blocks say; messages are in the order of block and log index."""

    messages: list[SentLog]
    defaults: list[LaneDefault]


def decode_sent_logs(
    logs: Sequence[Log], gateway: bytes, chain_part: bytes, first: int, last: int
) -> SentLogs:
    """Decode and pair the logs of blocks first..last.

    Args:
        logs: in any order.
        gateway: 20 bytes; logs of other contracts are a provider's fault.
        chain_part: ERC-7930 bytes of this chain, which every sender must be on.
        first: lowest block.
        last: highest block, inclusive.

    Raises:
        RpcAnswerInvalid: the logs cannot be what a gateway emitted in that range.
    """
    sent, appended, limited = _sort_by_event(logs, "0x" + gateway.hex())
    messages: list[SentLog] = []
    for log in appended:
        if len(log.topics) != 4:
            raise RpcAnswerInvalid(f"a MessageAppended with {len(log.topics)} topics", "4")
        partner = sent.pop(log.topics[3], None)
        if partner is None or partner.transaction_hash != log.transaction_hash:
            raise RpcAnswerInvalid("a MessageAppended without its MessageSent", "both in one transaction")
        messages.append(_decode_pair(partner, log, chain_part, first, last))
    if sent:
        raise RpcAnswerInvalid(f"{len(sent)} MessageSent without MessageAppended", "both in one transaction")
    messages.sort(key=_place)
    return SentLogs(messages, [_decode_limited(log) for log in limited])


def _sort_by_event(logs: Sequence[Log], address: str) -> tuple[dict[str, Log], list[Log], list[Log]]:
    """Return the MessageSent logs by send id, the MessageAppended logs and the LaneLimited logs.

    Raises RpcAnswerInvalid for a log of another contract or event, and for a send id that comes twice.
    """
    sent: dict[str, Log] = {}
    appended: list[Log] = []
    limited: list[Log] = []
    for log in logs:
        # A node marks logs of blocks that left its chain; those of the blocks that replaced them come
        # as well.
        if log.removed:
            continue
        if log.address.lower() != address or not log.topics:
            raise RpcAnswerInvalid(f"a log of {log.address[:42]}", f"logs of {address} only")
        event = log.topics[0]
        if event == _SENT:
            if len(log.topics) != 2 or log.topics[1] in sent:
                raise RpcAnswerInvalid("a MessageSent with other topics, or twice", "one send id, once")
            sent[log.topics[1]] = log
        elif event == _APPENDED:
            appended.append(log)
        elif event == LIMITED_TOPIC:
            limited.append(log)
        else:
            raise RpcAnswerInvalid(f"a log of topic {event[:66]}", "the topics that were asked for")
    return sent, appended, limited


def decode_delivery_logs(
    logs: Iterable[Log], gateway: bytes
) -> tuple[tuple[DeliveredRange, ...], tuple[DeliveryEvent, ...]]:
    """Return what a transaction's logs say of deliveries by our gateway; other contracts' logs are skipped.

    Raises RpcAnswerInvalid for what a gateway cannot have emitted.
    """
    address = "0x" + gateway.hex()
    ranges: list[DeliveredRange] = []
    events: list[DeliveryEvent] = []
    for log in logs:
        if log.address.lower() != address or not log.topics:
            continue
        kind = log.topics[0]
        if kind == _DELIVERED:
            data = _expect(log, topics=2, size=96)
            first, count, mask = (int.from_bytes(data[at : at + 32]) for at in (0, 32, 64))
            ranges.append(DeliveredRange(LaneId(_word(log.topics[1])), first, count, mask))
        elif kind == _FAILED:
            data = _expect(log, topics=2)
            reason = _dynamic(data, _number(data, 0))
            if len(reason) > _MAX_REASON:
                raise RpcAnswerInvalid(f"a reason of {len(reason)} bytes", f"at most {_MAX_REASON}")
            event = DeliveryEvent(DeliveryEventKind.FAILED, MessageId(_word(log.topics[1])), reason)
            events.append(event)
        elif kind == _EXPIRED:
            _expect(log, topics=2, size=0)
            events.append(DeliveryEvent(DeliveryEventKind.EXPIRED, MessageId(_word(log.topics[1])), b""))
    return tuple(ranges), tuple(events)


def parse_quantity(text: str) -> int:
    """Read a JSON-RPC quantity of at most 256 bits. Raises RpcAnswerInvalid."""
    if text[:2] != "0x" or not 2 < len(text) <= 66:
        raise RpcAnswerInvalid(f"a quantity {text[:70]!r}", "0x and 1 to 64 hex digits")
    try:
        return int(text, 16)
    except ValueError:
        raise RpcAnswerInvalid(f"a quantity {text!r}", "0x and hex digits") from None


def parse_bytes(text: str, size: int | None = None) -> bytes:
    """Read JSON-RPC data, of exactly `size` bytes where given. Raises RpcAnswerInvalid."""
    if text[:2] != "0x":
        raise RpcAnswerInvalid(f"data {text[:20]!r}", "0x and hex digits")
    try:
        data = bytes.fromhex(text[2:])
    except ValueError:
        raise RpcAnswerInvalid(f"data {text[:20]!r}", "0x and hex digits") from None
    if size is not None and len(data) != size:
        raise RpcAnswerInvalid(f"data of {len(data)} bytes", f"{size}")
    return data


def _place(message: SentLog) -> tuple[int, int]:
    return message.block_number, message.log_index


def _word(text: str) -> bytes:
    return parse_bytes(text, 32)


def _expect(log: Log, topics: int, size: int | None = None) -> bytes:
    if len(log.topics) != topics:
        raise RpcAnswerInvalid(f"an event with {len(log.topics)} topics", f"{topics}")
    return parse_bytes(log.data, size)


def _decode_limited(log: Log) -> LaneDefault:
    data = _expect(log, topics=2, size=96)
    return LaneDefault(LaneId(_word(log.topics[1])), int.from_bytes(data[:32]))


def _decode_pair(sent: Log, appended: Log, chain_part: bytes, first: int, last: int) -> SentLog:
    number = parse_quantity(appended.block_number)
    if not first <= number <= last:
        raise RpcAnswerInvalid(f"a log of block {number}", f"blocks {first} to {last}")
    data = parse_bytes(sent.data)
    sender = _dynamic(data, _number(data, 0))
    length = len(chain_part)
    # The sender is an address of this very chain: version, chain and a length byte before it.
    if sender[:length] != chain_part or len(sender) != length + 21 or sender[length] != 20:
        raise RpcAnswerInvalid(f"a sender 0x{sender[:64].hex()}", "an address of this chain")
    recipient = _dynamic(data, _number(data, 32))
    # ERC-7930: two bytes of version, two of chain type, the length of the chain's reference and that
    # reference, then the length of the address.
    address_at = 6 + recipient[4] if len(recipient) > 4 else 0
    if not 6 <= address_at < len(recipient) <= address_at + 32:
        raise RpcAnswerInvalid(f"a recipient 0x{recipient[:64].hex()}", "ERC-7930 bytes with an address")
    payload = _dynamic(data, _number(data, 64))
    gas_limit, deadline = _decode_attributes(data, _number(data, 128))
    sequence = parse_quantity(appended.topics[2])
    if sequence >> 64:
        raise RpcAnswerInvalid(f"sequence {sequence}", "below 2^64")
    return SentLog(
        LaneId(_word(appended.topics[1])),
        sequence,
        MessageId(_word(appended.topics[3])),
        sender[-20:].rjust(32, b"\0"),
        recipient[address_at:].rjust(32, b"\0"),
        gas_limit,
        deadline,
        payload,
        Height(number),
        _word(appended.block_hash),
        TxHash(_word(appended.transaction_hash)),
        parse_quantity(appended.log_index),
    )


def _number(data: bytes, at: int) -> int:
    """Return the word at a byte offset as a number. Raises RpcAnswerInvalid where the data ends before it."""
    word = data[at : at + 32]
    if len(word) != 32:
        raise RpcAnswerInvalid(f"event data of {len(data)} bytes", f"a word at byte {at}")
    return int.from_bytes(word)


def _dynamic(data: bytes, at: int) -> bytes:
    """Return the `bytes` whose length is the word at a byte offset."""
    length = _number(data, at)
    start = at + 32
    value = data[start : start + length]
    if len(value) != length:
        raise RpcAnswerInvalid(f"event data of {len(data)} bytes", f"{length} bytes at byte {start}")
    return value


def _decode_attributes(data: bytes, at: int) -> tuple[int | None, int]:
    """Return the gas limit and the deadline that attributes name, unchecked: the leaf commits to both."""
    count = _number(data, at)
    gas_limit: int | None = None
    deadline = 0
    # An attribute takes two words at least, so that the loop is bounded by what has really come.
    if count > len(data) // 64:
        raise RpcAnswerInvalid(f"{count} attributes in {len(data)} bytes", "as many as fit")
    base = at + 32
    for index in range(count):
        attribute = _dynamic(data, base + _number(data, base + 32 * index))
        kind = attribute[:4]
        if len(attribute) != 36:
            raise RpcAnswerInvalid(f"an attribute of {len(attribute)} bytes", "36")
        if kind == MIN_GAS_LIMIT:
            gas_limit = int.from_bytes(attribute[4:])
        elif kind == DEADLINE:
            deadline = int.from_bytes(attribute[4:])
        elif kind != CHANNEL:
            raise RpcAnswerInvalid(f"an attribute 0x{kind.hex()}", "one that our Outbox takes")
    return gas_limit, deadline
