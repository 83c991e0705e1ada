# SPDX-License-Identifier: MIT
"""What an application sees of a road, whichever it is: over chains, or in memory for its tests.

Code that takes an `AnyRoad` runs with `relayer.connect(...)` and with `relayer.testing.MemoryRoad`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from light_clients.client import Height
from relayer.chains.base import SentMessage
from relayer.protocol.lane import Lane
from relayer.protocol.message import LaneId, MessageId
from relayer.road.receipt import Receipt
from relayer.road.times import Span
from relayer.views.message import MessageView, message_view
from relayer.views.story import StoryView


class AnyMessage(ABC):
    """A message that was sent. Its content is what its id commits to.

    Attributes:
        lane: the lane that it stands in.
    """

    def __init__(self, sent: SentMessage, lane: Lane, source: str, destination: str) -> None:
        self._sent = sent
        self._source_name = source
        self._destination_name = destination
        self.lane = lane

    @abstractmethod
    async def delivered(self, timeout: Span | None = None) -> Receipt:  # noqa: ASYNC109  part of what callers see
        """Wait until it is proven that the message was executed with success.

        Args:
            timeout: how long to wait; None = until the message's deadline, or for ever when it has none.

        Raises:
            DeliveryTimeout: the time is over; the text says what was seen last.
            MessageExpired: the deadline is over and the bit is proven clear.
            ClientExpired, ClientFrozen: our own trust in the destination has ended.
        """

    @abstractmethod
    async def story(self) -> StoryView:
        """Tell what is known of it."""

    @property
    def id(self) -> MessageId:
        """Its name everywhere: contracts, logs, traces."""
        return self._sent.message.id

    @property
    def source(self) -> str:
        """The configured name of the chain that sent it."""
        return self._source_name

    @property
    def destination(self) -> str:
        """The configured name of the chain that it goes to."""
        return self._destination_name

    @property
    def lane_id(self) -> LaneId:
        """The lane that it stands in."""
        return self._sent.message.lane_id

    @property
    def sequence(self) -> int:
        """Its place in its lane, from 0."""
        return self._sent.message.sequence

    @property
    def sender(self) -> bytes:
        """Who sent it, 20 bytes on the source."""
        return self._sent.message.sender[12:]

    @property
    def recipient(self) -> bytes:
        """Who receives it, 20 bytes on the destination."""
        return self._sent.message.recipient[12:]

    @property
    def payload(self) -> bytes:
        """What the recipient is given."""
        return self._sent.message.payload

    @property
    def gas_limit(self) -> int:
        """What the recipient gets at least, in gas."""
        return self._sent.message.gas_limit

    @property
    def deadline(self) -> int:
        """Seconds of the destination's time after which it is not executed; 0 = never."""
        return self._sent.message.deadline

    @property
    def tx_hash(self) -> bytes:
        """The transaction on the source that sent it."""
        return self._sent.tx_hash

    @property
    def block_number(self) -> Height:
        """The source's block that holds it."""
        return self._sent.block_number

    @property
    def sent(self) -> SentMessage:
        """The message as the source's logs told it."""
        return self._sent

    def view(self) -> MessageView:
        """Return the message as it is shown, with a JSON form."""
        return message_view(self._sent, self.source, self.destination)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(0x{self.id.hex()}, {self.source} → {self.destination}, sequence {self.sequence})"


class AnyRoad(Protocol):
    """Sends messages between named chains, and finds them again."""

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
    ) -> AnyMessage:
        """Send a message; arguments and errors are those of `relayer.Road.send`."""
        ...

    async def message(self, message_id: bytes | str) -> AnyMessage:
        """Find a message by its id. Raises MessageUnknown."""
        ...
