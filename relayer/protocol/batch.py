# SPDX-License-Identifier: MIT
"""The batch that `deliver` takes, as bytes and back (wire-formats §4), and what its calldata costs.

The encoder leaves out every field that equals the previous full item's. The decoder accepts exactly the
encodings that the Inbox accepts, to the last byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from relayer.errors import Malformed
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane, compute_head
from relayer.protocol.message import EndpointId, LaneId, Message, MessageId, Sequence

#: A batch counts its items in two bytes.
MAX_ITEMS: Final = 0xFFFF

_PUBLIC_LANE: Final = b"\0"
_NAMED_LANE: Final = 1
#: The bits of an item's tag (wire-formats §4). Other items than full ones have tag 0.
_FULL: Final = 0x80
_SENDER_SHIFT: Final = 0
_RECIPIENT_SHIFT: Final = 2
_GAS_LIMIT: Final = 0x10
_DEADLINE: Final = 0x20
_FEE: Final = 0x40
#: How many bytes of an account follow, by the two-bit selector in the tag; selector 0 repeats the account
#: before.
_WIDTHS: Final = {1: 20, 2: 32}
_ADDRESS_PADDING: Final = bytes(12)

#: EIP-7623 counts calldata in tokens: a zero byte is one, any other byte four. A transaction pays the larger
#: of 4 gas a token together with its execution, and 10 gas a token alone.
_GAS_PER_TOKEN: Final = 4
_FLOOR_GAS_PER_TOKEN: Final = 10
_TOKENS_PER_NON_ZERO: Final = 4
_TRANSACTION_GAS: Final = 21_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive messages of one lane, and what leads from them to the head that a proof shows.

    Attributes:
        lane: the lane that the messages belong to.
        previous_head: 32 bytes, the running head before the first item.
        first: the sequence of the first item.
        items: 1 to 65,535 items. An item is a full message, or only its leaf (32 bytes) where the message is
            hashed past and not delivered. At least one is a full message: a batch that delivers nothing is
            refused.
        tail: the leaves after the last item, up to the proven head.
        extra_gas: gas that every recipient gets on top of its gas limit.
    """

    lane: Lane
    previous_head: bytes
    first: Sequence
    items: tuple[Message | MessageId, ...]
    tail: tuple[MessageId, ...] = ()
    extra_gas: int = 0

    @property
    def last(self) -> Sequence:
        """The sequence that the proven head ends with, tail included.

        The proof is of `heads[lane][last >> 8]`.
        """
        return Sequence(self.first + len(self.items) + len(self.tail) - 1)

    @property
    def leaves(self) -> tuple[MessageId, ...]:
        """The leaves of the items, in order, without the tail."""
        return tuple(item.id if isinstance(item, Message) else item for item in self.items)

    def compute_head(self) -> bytes:
        """Return the head (32 bytes) that the Inbox requires to be proven."""
        return compute_head(self.previous_head, (*self.leaves, *self.tail))


def encode_batch(batch: Batch) -> bytes:
    """Return the shortest bytes that decode to this batch.

    Raises:
        Malformed: the parts do not fit together, or a number is out of its field's range.
    """
    if not 1 <= len(batch.items) <= MAX_ITEMS:
        raise Malformed(f"a batch of {len(batch.items)} items", f"1 to {MAX_ITEMS}")
    if not any(isinstance(item, Message) for item in batch.items):
        raise Malformed("a batch of leaves alone", "at least one full message")
    _check_word("previous head", batch.previous_head)
    lane = batch.lane
    out = bytearray(lane.source)
    out += _PUBLIC_LANE if lane.is_public else b"\1" + lane.channel + bytes((lane.flags,))
    out += batch.previous_head
    out += _unsigned("first sequence", batch.first, 8)
    out += _unsigned("extra gas", batch.extra_gas, 4)
    out += len(batch.items).to_bytes(2)
    previous: Message | None = None
    for index, item in enumerate(batch.items):
        if not isinstance(item, Message):
            _check_word("leaf", item)
            out += b"\0"
            out += item
            continue
        if item.lane_id != lane.id or item.sequence != batch.first + index:
            raise Malformed(
                f"message {item.sequence} of lane 0x{item.lane_id.hex()} as item {index}",
                f"message {batch.first + index} of lane 0x{lane.id.hex()}",
            )
        _encode_message(out, item, previous)
        previous = item
    for leaf in batch.tail:
        _check_word("tail leaf", leaf)
        out += leaf
    _unsigned("last sequence", batch.last, 8)
    return bytes(out)


def _encode_message(out: bytearray, message: Message, previous: Message | None) -> None:
    tag = _FULL
    fields = bytearray()
    for value, shift, before in (
        (message.sender, _SENDER_SHIFT, previous.sender if previous else None),
        (message.recipient, _RECIPIENT_SHIFT, previous.recipient if previous else None),
    ):
        if value == before:
            continue
        _check_word("sender or recipient", value)
        if value.startswith(_ADDRESS_PADDING):
            tag |= 1 << shift
            fields += value[12:]
        else:
            tag |= 2 << shift
            fields += value
    if message.gas_limit != (previous.gas_limit if previous else 0):
        tag |= _GAS_LIMIT
        fields += _unsigned("gas limit", message.gas_limit, 4)
    if message.deadline != (previous.deadline if previous else 0):
        tag |= _DEADLINE
        fields += _unsigned("deadline", message.deadline, 8)
    if message.fee_wei != (previous.fee_wei if previous else 0):
        tag |= _FEE
        fields += _unsigned("fee", message.fee_wei, 16)
    out.append(tag)
    out += fields
    out += _unsigned("payload length", len(message.payload), 3)
    out += message.payload


class _Reader:
    """A cursor over untrusted bytes that never reads past their end."""

    __slots__ = ("data", "offset")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def take(self, length: int) -> bytes:
        end = self.offset + length
        if end > len(self.data):
            left = len(self.data) - self.offset
            raise Malformed(f"a batch with {left} bytes left at byte {self.offset}", f"{length} more bytes")
        taken = self.data[self.offset : end]
        self.offset = end
        return taken

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length))


@dataclass(slots=True)
class _Terms:
    """The fields that an item takes over from the full item before it, unless its tag says otherwise."""

    sender: bytes = b""
    recipient: bytes = b""
    gas_limit: int = 0
    deadline: int = 0
    fee_wei: int = 0


def decode_batch(data: bytes, destination: EndpointId) -> Batch:
    """Read a batch as the Inbox of `destination` reads it.

    Raises:
        Malformed: that Inbox reverts with MalformedBatch.
    """
    reader = _Reader(data)
    source = EndpointId(reader.take(32))
    kind = reader.number(1)
    if kind > _NAMED_LANE:
        raise Malformed(f"lane kind {kind} at byte 32", "0 or 1")
    channel, flags = PUBLIC_CHANNEL, 0
    if kind == _NAMED_LANE:
        channel, flags = reader.take(32), reader.number(1)
        if channel == PUBLIC_CHANNEL and flags == 0:
            raise Malformed(
                "the public lane, named by its channel and flags", "lane kind 0: one lane, one encoding"
            )
    lane = Lane(source, destination, channel, flags)
    previous_head = reader.take(32)
    first = Sequence(reader.number(8))
    extra_gas = reader.number(4)
    count = reader.number(2)
    if count == 0:
        raise Malformed("a batch without items", "at least 1")
    terms = _Terms()
    items = tuple(_decode_item(reader, lane.id, Sequence(first + index), terms) for index in range(count))
    if not any(isinstance(item, Message) for item in items):
        raise Malformed("a batch of leaves alone", "at least one full message")
    left = len(data) - reader.offset
    if left % 32:
        raise Malformed(f"{left} bytes of tail", "a multiple of 32")
    tail = tuple(MessageId(reader.take(32)) for _ in range(left // 32))
    batch = Batch(lane, previous_head, first, items, tail, extra_gas)
    if batch.last >= 1 << 64:
        raise Malformed(f"a batch that ends with sequence {batch.last}", "a sequence below 2^64")
    return batch


def _decode_item(reader: _Reader, lane_id: LaneId, sequence: Sequence, terms: _Terms) -> Message | MessageId:
    at = reader.offset
    tag = reader.number(1)
    if tag == 0:
        return MessageId(reader.take(32))
    if not tag & _FULL:
        raise Malformed(f"tag 0x{tag:02x} at byte {at}", "0, or bit 7 set")
    # A field that needlessly repeats the one before is accepted, as in the Inbox (INV-8): the leaf is made of
    # the fields, so no encoding changes the message.
    terms.sender = _decode_account(reader, tag >> _SENDER_SHIFT & 3, terms.sender, at)
    terms.recipient = _decode_account(reader, tag >> _RECIPIENT_SHIFT & 3, terms.recipient, at)
    if tag & _GAS_LIMIT:
        terms.gas_limit = reader.number(4)
    if tag & _DEADLINE:
        terms.deadline = reader.number(8)
    if tag & _FEE:
        terms.fee_wei = reader.number(16)
    payload = reader.take(reader.number(3))
    return Message(
        lane_id,
        sequence,
        terms.sender,
        terms.recipient,
        terms.gas_limit,
        terms.deadline,
        terms.fee_wei,
        payload,
    )


def _decode_account(reader: _Reader, selector: int, before: bytes, at: int) -> bytes:
    if selector == 0:
        # Before the first full item numbers count as 0, but there is no account to repeat.
        if not before:
            raise Malformed(f"a first full item at byte {at} without sender or recipient", "both")
        return before
    if selector not in _WIDTHS:
        raise Malformed(f"sender or recipient of kind {selector} in the tag at byte {at}", "0, 1 or 2")
    return reader.take(_WIDTHS[selector]).rjust(32, b"\0")


@dataclass(frozen=True, slots=True)
class CalldataGas:
    """The gas of calldata (EIP-2028 and EIP-7623).

    Attributes:
        standard: what is paid on top of the gas of execution.
        floor: what the transaction pays at least for calldata and execution together.
    """

    standard: int
    floor: int

    def __add__(self, other: CalldataGas) -> CalldataGas:
        return CalldataGas(self.standard + other.standard, self.floor + other.floor)

    def transaction_gas(self, execution: int) -> int:
        """Return the gas of a whole transaction whose execution costs `execution`.

        It has no access list and creates no contract.
        """
        return _TRANSACTION_GAS + max(self.standard + execution, self.floor)


def calldata_gas(data: bytes) -> CalldataGas:
    """Return the gas that these bytes cost as calldata."""
    zeros = data.count(0)
    tokens = zeros + _TOKENS_PER_NON_ZERO * (len(data) - zeros)
    return CalldataGas(tokens * _GAS_PER_TOKEN, tokens * _FLOOR_GAS_PER_TOKEN)


def _unsigned(name: str, value: int, length: int) -> bytes:
    if not 0 <= value < 1 << 8 * length:
        raise Malformed(f"{name} {value}", f"0 to 2^{8 * length} - 1")
    return value.to_bytes(length)


def _check_word(name: str, value: bytes) -> None:
    if len(value) != 32:
        raise Malformed(f"{name} of {len(value)} bytes", "32")
