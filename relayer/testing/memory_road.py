# SPDX-License-Identifier: MIT
"""A road in memory, for tests of applications that take milliseconds.

    async with MemoryRoad("court", "port") as road:
        road.receive("port", ADDRESS, notes.append)
        message = await road.send("court", "port", to=ADDRESS, payload=b"hello", deadline="10m")
        await message.delivered(timeout="30s")

Recipients are Python functions. What a caller of a road sees is as on chains: ids and sequences are those of
the protocol, a message is executed with success at most once, a recipient that raises refuses it and gets it
again until its deadline, and errors are the same. tests/e2e/test_memory_road.py plays one scenario on both.

Time passes only when the test says so, with `advance`, or while somebody waits with a timeout or for a
deadline: such a wait takes the road's time, not the test's. There is one clock for all chains.

What it does not show: gas, finality, faults of providers, what a Python recipient changed before it raised
(on a chain that is undone), and whether anything is proven. `local_roads` has real chains for that.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from light_clients.client import Height, Timestamp
from light_clients.hashing import keccak256
from relayer.chains.base import SentMessage, TxHash
from relayer.consensus.base import VerifiedHeader
from relayer.errors import ConfigError
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane, bit_of, endpoint_id
from relayer.protocol.message import EndpointId, Message, MessageId, Sequence
from relayer.road.any_road import AnyMessage
from relayer.road.arguments import check_sending, read_address, read_message_id
from relayer.road.errors import DeliveryTimeout, MessageExpired, MessageUnknown
from relayer.road.receipt import Receipt
from relayer.road.story import proven_story
from relayer.road.times import Span, parse_span
from relayer.testing.gateway import revert
from relayer.views.delivery import DeliveryView
from relayer.views.story import StoryView

#: Limits of a public lane, as `postroad endpoint deploy` sets them.
DEFAULT_GAS_LIMIT: Final = 200_000
MOST_GAS_LIMIT: Final = 2_000_000
MOST_PAYLOAD: Final = 24_576
_START: Final = 1_700_000_000


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """What a recipient is given.

    Attributes:
        id: the message's, on both chains.
        source: the name of the chain that sent it.
        sender: who sent it there, 20 bytes.
        payload: the content.
    """

    id: MessageId
    source: str
    sender: bytes
    payload: bytes


#: Executes a message. To raise is to refuse it.
Recipient = Callable[[ReceivedMessage], Awaitable[object] | object]


@dataclass(slots=True)
class _MemoryEndpoint:
    """A chain: its endpoint, its newest block, who receives there, and what was executed."""

    name: str
    sender: bytes
    endpoint: EndpointId
    height: int = 1
    recipients: dict[bytes, Recipient] = field(default_factory=dict)
    words: dict[tuple[bytes, int], int] = field(default_factory=dict)
    deliveries: dict[MessageId, DeliveryView] = field(default_factory=dict)
    refusals: dict[MessageId, str] = field(default_factory=dict)


class MemoryRoad:
    """Chains in memory, each joined with every other. An `AnyRoad`.

    Args:
        chains: their names.

    Attributes:
        now: the time on all chains, in seconds since 1970.
        is_relaying: whether what is sent is delivered at once, and what was refused tried again whenever time
            passes; False = by `relay` alone.
    """

    def __init__(self, *chains: str, is_relaying: bool = True) -> None:
        self.now: float = _START
        self.is_relaying = is_relaying
        self._places = {name: _place(name, number) for number, name in enumerate(chains, start=1)}
        self._next_sequence: dict[bytes, int] = {}
        self._channels = {PUBLIC_CHANNEL}
        self._messages: dict[MessageId, MemoryMessage] = {}
        self._is_delivering = False
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing to be closed."""

    # --- what a test arranges -------------------------------------------------------------------------------

    def receive(self, chain: str, address: bytes | str, recipient: Recipient) -> None:
        """Put a recipient at an address of a chain, in place of the one before.

        Where there is none, a message is refused. Raises ConfigError, Malformed.
        """
        self._place(chain).recipients[read_address(address)] = recipient

    def sender(self, chain: str) -> bytes:
        """Return who sends from a chain, 20 bytes. Raises ConfigError."""
        return self._place(chain).sender

    def open_channel(self, channel: bytes) -> None:
        """Open a channel of 32 bytes between all chains."""
        self._channels.add(channel)

    async def advance(self, span: Span) -> None:
        """Let time pass; what waits is tried again when it has passed, where the road is relaying."""
        self.now += parse_span(span)
        for place in self._places.values():
            place.height += 1
        if self.is_relaying:
            await self.relay()
        await self._tell()

    async def relay(self) -> int:
        """Deliver all that can be delivered now; return how many messages were executed with success.

        Recipients may send: that is delivered as well. A recipient that relays delivers nothing itself.
        """
        if self._is_delivering:
            return 0
        self._is_delivering = True
        executed = 0
        tried: set[MessageId] = set()
        try:
            while waiting := [message for message in self._messages.values() if message.id not in tried]:
                for message in waiting:
                    tried.add(message.id)
                    executed += await self._deliver(message)
        finally:
            self._is_delivering = False
        if executed:
            await self._tell()
        return executed

    # --- AnyRoad --------------------------------------------------------------------------------------------

    async def send(
        self,
        source: str,
        destination: str,
        *,
        to: bytes | str,
        payload: bytes,
        deadline: Span | None = None,
        gas_limit: int | None = None,
        channel: bytes | None = None,
    ) -> MemoryMessage:
        """Send a message; arguments and errors are those of `relayer.Road.send`."""
        recipient = read_address(to)
        check_sending(source, destination, payload, channel)
        here, there = self._place(source), self._place(destination)
        lane = Lane(here.endpoint, there.endpoint, channel or PUBLIC_CHANNEL)
        ends_at = 0 if deadline is None else int(self.now) + max(1, round(parse_span(deadline)))
        if lane.channel not in self._channels:
            raise revert("LaneNotOpen(bytes32)", int.from_bytes(lane.id))
        if len(payload) > MOST_PAYLOAD:
            raise revert("PayloadTooLarge(uint256,uint256)", len(payload), MOST_PAYLOAD)
        gas = DEFAULT_GAS_LIMIT if gas_limit is None else gas_limit
        if gas > MOST_GAS_LIMIT:
            raise revert("GasLimitTooHigh(uint256,uint256)", gas, MOST_GAS_LIMIT)
        sequence = Sequence(self._next_sequence.get(lane.id, 0))
        self._next_sequence[lane.id] = sequence + 1
        sender = here.sender.rjust(32, b"\0")
        terms = Message(lane.id, sequence, sender, recipient.rjust(32, b"\0"), gas, ends_at, 0, payload)
        here.height += 1
        tx_hash = TxHash(keccak256(b"sent" + terms.id))
        sent = SentMessage(terms, terms.id, Height(here.height), _hash_of(here), tx_hash, 1)
        message = MemoryMessage(self, sent, lane, source, destination)
        self._messages[message.id] = message
        if self.is_relaying:
            await self.relay()
        return message

    async def message(self, message_id: bytes | str) -> MemoryMessage:
        """Find a message by its id. Raises MessageUnknown, Malformed."""
        found = self._messages.get(read_message_id(message_id))
        if found is None:
            raise MessageUnknown(
                f"no message {message_id!r} on {', '.join(self._places)}", "the id of a message that was sent"
            )
        return found

    # --- what messages ask ----------------------------------------------------------------------------------

    async def await_delivery(self, message: MemoryMessage, timeout_s: float | None) -> Receipt:
        """Wait as `MemoryMessage.delivered` says; errors as there."""
        ends_at = None if timeout_s is None else self.now + timeout_s
        place = self._place(message.destination)
        while message.id not in place.deliveries:
            if 0 < message.deadline < int(self.now):
                raise MessageExpired(
                    f"0x{message.id.hex()} was not delivered before its deadline {message.deadline}",
                    "a delivery in time",
                    "Send it again with a later deadline.",
                )
            if ends_at is not None and ends_at <= self.now:
                refusal = place.refusals.get(message.id)
                raise DeliveryTimeout(
                    f"0x{message.id.hex()} was not delivered in {timeout_s:g} s",
                    f"its bit on {message.destination}",
                    f"Its recipient refuses it: {refusal}." if refusal else "Nobody relays.",
                )
            late_at = message.deadline + 1 if message.deadline else None
            await self._wait(min((end for end in (ends_at, late_at) if end is not None), default=None))
        word = place.words[message.lane_id, message.sent.message.page].to_bytes(32)
        delivery = place.deliveries[message.id]
        return Receipt(
            message.id, message.lane_id, message.sequence, word, self._header(place), b"", delivery
        )

    def story_of(self, message: MemoryMessage) -> StoryView:
        """Tell what is known of a message."""
        place = self._place(message.destination)
        delivery = place.deliveries.get(message.id)
        is_delivered = delivery is not None
        return proven_story(message.sent, self._header(place), delivery, is_delivered=is_delivered)

    def _place(self, name: str) -> _MemoryEndpoint:
        place = self._places.get(name)
        if place is None:
            raise ConfigError(f"a chain {name!r}", f"one of {', '.join(self._places)}")
        return place

    async def _deliver(self, message: MemoryMessage) -> bool:
        """Give a message to its recipient, once; return whether it was executed with success."""
        place = self._place(message.destination)
        if message.id in place.deliveries or 0 < message.deadline < int(self.now):
            return False
        recipient = place.recipients.get(message.recipient)
        if recipient is None:
            place.refusals[message.id] = "nobody receives at its address"
            return False
        received = ReceivedMessage(message.id, message.source, message.sender, message.payload)
        try:
            done = recipient(received)
            if inspect.isawaitable(done):
                await done
        except Exception as error:  # noqa: BLE001  whatever a recipient raises is a refusal
            place.refusals[message.id] = repr(error)
            return False
        place.height += 1
        page = (message.lane_id, message.sent.message.page)
        place.words[page] = place.words.get(page, 0) | bit_of(message.sequence)
        place.deliveries[message.id] = DeliveryView(
            tx_hash=keccak256(b"delivered" + message.id),
            block=place.height,
            timestamp=int(self.now),
            told_by="logs",
            is_checked=True,
        )
        return True

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _header(self, place: _MemoryEndpoint) -> VerifiedHeader:
        return VerifiedHeader(Height(place.height), _hash_of(place), Timestamp(int(self.now)), bytes(32))

    async def _wait(self, until: float | None) -> None:
        """Wait for something to happen; with a time, that time comes."""
        if until is not None:
            await self.advance(max(0.0, until - self.now))
            return
        async with self._changed:
            await self._changed.wait()


class MemoryMessage(AnyMessage):
    """A message that was sent over a road in memory."""

    def __init__(
        self, road: MemoryRoad, sent: SentMessage, lane: Lane, source: str, destination: str
    ) -> None:
        super().__init__(sent, lane, source, destination)
        self._road = road

    async def delivered(self, timeout: Span | None = None) -> Receipt:  # noqa: ASYNC109  as AnyMessage
        """Wait until it was executed; errors as `AnyMessage.delivered`. Proves nothing: `proof` is empty."""
        return await self._road.await_delivery(self, None if timeout is None else parse_span(timeout))

    async def story(self) -> StoryView:
        """Tell what is known of it, as chains would."""
        return self._road.story_of(self)


def _place(name: str, number: int) -> _MemoryEndpoint:
    gateway = InteropAddress.evm(number, keccak256(b"gateway " + name.encode())[12:]).to_bytes()
    endpoint = endpoint_id(gateway, keccak256(b"genesis " + name.encode()))
    return _MemoryEndpoint(name, keccak256(b"sender " + name.encode())[12:], endpoint)


def _hash_of(place: _MemoryEndpoint) -> bytes:
    return keccak256(f"block {place.height} of {place.name}".encode())
