# SPDX-License-Identifier: MIT
"""A message in the library's hands: where it is, whether it has arrived, what became of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from light_clients.client import Height, Timestamp
from light_clients.errors import Rejection
from relayer.chains.base import SentMessage
from relayer.consensus.base import ProvenSlot, VerifiedHeader
from relayer.consensus.open_chain import OpenChain
from relayer.errors import ClientExpired, ClientFrozen, PostroadError, Retryable
from relayer.protocol.delivery import DeliveryState
from relayer.protocol.lane import Lane, bit_of, delivered_slot
from relayer.protocol.message import LaneId, MessageId
from relayer.road.errors import DeliveryTimeout, MessageExpired
from relayer.road.story import Story, StoryStep, from_journal
from relayer.road.times import Span, parse_span

if TYPE_CHECKING:
    from relayer.journal.store import Journal

_LEAST_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a message was executed with success: its bit, proven by a light client of the destination.

    `word` is the 32 bytes of its page, `header` the verified header of the destination that `proof` leads to; anyone with
    the same trusted state can check them again.
    """

    message_id: MessageId
    lane_id: LaneId
    sequence: int
    word: bytes
    header: VerifiedHeader
    proof: bytes = field(repr=False)

    @property
    def height(self) -> Height:
        """The destination's block that proves it."""
        return self.header.number

    @property
    def timestamp(self) -> Timestamp:
        """That block's time, in seconds."""
        return self.header.timestamp


class RoadMessage:
    """A message that was sent. Its content is what its id commits to."""

    def __init__(
        self,
        sent: SentMessage,
        lane: Lane,
        source: OpenChain,
        destination: OpenChain,
        journal: Journal | None = None,
    ) -> None:
        self._sent = sent
        self._journal = journal
        self._source = source
        self._destination = destination
        self.lane = lane

    @property
    def id(self) -> MessageId:
        """Its name everywhere: contracts, logs, traces."""
        return self._sent.message.id

    @property
    def source(self) -> str:
        """The configured name of the chain that sent it."""
        return self._source.name

    @property
    def destination(self) -> str:
        """The configured name of the chain that it goes to."""
        return self._destination.name

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

    def __repr__(self) -> str:
        return f"RoadMessage(0x{self.id.hex()}, {self.source} → {self.destination}, sequence {self.sequence})"

    async def delivered(self, timeout: Span | None = None) -> Receipt:  # noqa: ASYNC109  part of what callers see
        """Wait until a light client of the destination has proven that the message was executed with success.

        No answer of a provider is enough: the destination's header is verified by its validators' seals, and the message's
        bit by a storage proof under it.

        Args:
            timeout: how long to wait; None = until the message's deadline, or for ever when it has none.

        Raises:
            DeliveryTimeout: the time is over; the text says what was seen last.
            MessageExpired: the deadline is over and the bit is proven clear.
            ClientExpired, ClientFrozen: our own trust in the destination has ended.
        """
        ends_at = None if timeout is None else time.monotonic() + parse_span(timeout)
        poll_s = max(self._destination.chain.settings.poll_interval_s / 2, _LEAST_POLL_S)
        seen = "nothing of the destination was seen"
        while True:
            try:
                found = await self._look()
            except (ClientExpired, ClientFrozen):
                raise
            except (Retryable, Rejection) as error:
                seen = str(error)
            else:
                if isinstance(found, Receipt):
                    return found
                seen = found
            if ends_at is not None and time.monotonic() + poll_s > ends_at:
                raise DeliveryTimeout(
                    f"0x{self.id.hex()} was not proven as delivered in {parse_span(timeout or 0):g} s: {seen}",
                    f"its bit on {self.destination}",
                    "Is a relayer running? `postroad trace` and `postroad pending` tell why it waits.",
                )
            await asyncio.sleep(poll_s)

    async def story(self) -> Story:
        """Tell what is known of it: by the relayer's journal beside the configuration, else by the chains."""
        if self._journal is not None:
            told = await asyncio.to_thread(self._journal.story, self.id)
            if told is not None:
                return from_journal(told)
        return await self._story_from_chains()

    async def prove(self) -> tuple[VerifiedHeader, ProvenSlot]:
        """Prove the word of its page on the destination, at the newest header, whatever it says. Raises as `delivered`."""
        chain, prover = self._destination.chain, self._destination.prover
        header = await prover.verify_head(await chain.head())
        slot = delivered_slot(self.lane_id, self._sent.message.page)
        (proven,) = await prover.prove(header, chain.gateway, (slot,))
        return header, proven

    async def _look(self) -> Receipt | str:
        """A receipt, or what was seen. The provider's word only decides whether a proof is worth its cost."""
        chain = self._destination.chain
        word = await chain.delivered_bitmap(self.lane_id, self._sent.message.page)
        head = await chain.head()
        is_late = 0 < self.deadline < head.timestamp
        if not word & bit_of(self.sequence) and not is_late:
            return f"its bit is not set at block {head.number} of {self.destination}"
        header, proven = await self.prove()
        if int.from_bytes(proven.value) & bit_of(self.sequence):
            return Receipt(self.id, self.lane_id, self.sequence, proven.value, header, proven.proof)
        if 0 < self.deadline < header.timestamp:
            raise MessageExpired(
                f"0x{self.id.hex()} was not delivered before its deadline {self.deadline} "
                f"(block {header.number} of {self.destination}, time {header.timestamp}, proves its bit clear)",
                "a delivery in time",
                "Send it again with a later deadline.",
            )
        return f"a provider of {self.destination} says that it is delivered, but block {header.number} proves that it is not"

    async def _story_from_chains(self) -> Story:
        sent = self._sent
        steps = [
            StoryStep(
                DeliveryState.OBSERVED,
                None,
                {"block": sent.block_number, "log": sent.log_index},
                sent.tx_hash,
            )
        ]
        try:
            header, proven = await self.prove()
        except (PostroadError, Rejection) as error:
            steps.append(
                StoryStep(DeliveryState.OBSERVED, None, {"why": f"the destination can't be proven: {error}"})
            )
            return Story(DeliveryState.OBSERVED, None, tuple(steps), "chains")
        detail = {"height": header.number, "block": header.hash}
        if int.from_bytes(proven.value) & bit_of(self.sequence):
            steps.append(StoryStep(DeliveryState.CONFIRMED, float(header.timestamp), detail))
        elif 0 < self.deadline < header.timestamp:
            steps.append(StoryStep(DeliveryState.EXPIRED, float(header.timestamp), detail))
        return Story(steps[-1].state, None, tuple(steps), "chains")
