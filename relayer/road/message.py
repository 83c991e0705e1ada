# SPDX-License-Identifier: MIT
"""A message in the library's hands: where it is, whether it has arrived, what became of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from light_clients.errors import Rejection
from relayer.chains.base import SentMessage
from relayer.consensus.base import ProvenSlot, VerifiedHeader
from relayer.consensus.open_chain import OpenChain
from relayer.errors import ClientExpired, ClientFrozen, PostroadError, Retryable
from relayer.protocol.delivery import DeliveryState
from relayer.protocol.lane import Lane, bit_of, delivered_slot
from relayer.road.any_road import AnyMessage
from relayer.road.errors import DeliveryTimeout, MessageExpired
from relayer.road.receipt import Receipt
from relayer.road.search import find_delivery
from relayer.road.story import proven_story, unproven_story
from relayer.road.times import Span, parse_span
from relayer.road.waiting import explain_wait
from relayer.views.delivery import DeliveryView, journal_delivery_view, proven_view
from relayer.views.story import StoryView, story_view

if TYPE_CHECKING:
    from relayer.journal.rows import StoredStory
    from relayer.journal.store import Journal

#: A provider is asked no more often, however short the chain's poll interval is.
_LEAST_POLL_S: Final = 0.05
#: What the chains add to a story or a receipt that stands without it must not hold it up for long.
_HEARSAY_S: Final = 5.0
_PROOF_S: Final = 10.0
_DELIVERED: Final = frozenset({DeliveryState.INCLUDED, DeliveryState.CONFIRMED})


class RoadMessage(AnyMessage):
    """A message that was sent over the configured chains."""

    def __init__(
        self,
        sent: SentMessage,
        lane: Lane,
        source: OpenChain,
        destination: OpenChain,
        journal: Journal | None = None,
    ) -> None:
        super().__init__(sent, lane, source.name, destination.name)
        self._journal = journal
        self._source = source
        self._destination = destination

    async def delivered(self, timeout: Span | None = None) -> Receipt:  # noqa: ASYNC109  part of what callers see
        """Wait until a light client of the destination has proven that the message was executed with success.

        No answer of a provider is enough: a light client verifies the destination's header, and the message's
        bit is proven by a storage proof under it.

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
                    return replace(found, delivery=await self._find_delivery(await self._read_journal()))
                seen = found
            if ends_at is not None and time.monotonic() + poll_s > ends_at:
                why = await explain_wait(
                    self._sent, self._source, self._destination, await self._read_journal()
                )
                raise DeliveryTimeout(
                    f"0x{self.id.hex()} was not proven as delivered in {parse_span(timeout or 0):g} s: {seen}",
                    f"its bit on {self.destination}",
                    why or "Is a relayer running? `postroad trace` and `postroad pending` tell why it waits.",
                )
            await asyncio.sleep(poll_s)

    async def story(self) -> StoryView:
        """Tell what is known of it: by the relayer's journal beside the configuration, else by the chains.

        In both cases the destination is asked for what it proves now. Where it can't be, the story is told
        without that.
        """
        told = await self._read_journal()
        if told is None:
            return await self._story_from_chains()
        try:
            async with asyncio.timeout(_PROOF_S):
                header, proven = await self.prove()
        except (PostroadError, Rejection, TimeoutError):
            # The journal's story stands without; the destination is not asked a second time.
            return story_view(told, delivery=journal_delivery_view(told))
        is_delivered = self._is_set(proven)
        delivery = None
        if is_delivered or told.state in _DELIVERED:
            delivery = await self._find_delivery(told)
        return story_view(told, delivery=delivery, proven=proven_view(header, is_delivered=is_delivered))

    async def prove(self) -> tuple[VerifiedHeader, ProvenSlot]:
        """Prove the delivered bitmap of its page on the destination, at the newest header, whatever it says.

        Raises as `delivered`.
        """
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
        if self._is_set(proven):
            return Receipt(self.id, self.lane_id, self.sequence, proven.value, header, proven.proof)
        if 0 < self.deadline < header.timestamp:
            raise MessageExpired(
                f"0x{self.id.hex()} was not delivered before its deadline {self.deadline} "
                f"(block {header.number} of {self.destination}, time {header.timestamp}, proves its bit clear)",
                "a delivery in time",
                "Send it again with a later deadline.",
            )
        return f"a provider of {self.destination} says that it is delivered, but block {header.number} proves that it is not"

    async def _story_from_chains(self) -> StoryView:
        try:
            header, proven = await self.prove()
        except (PostroadError, Rejection) as error:
            return unproven_story(self._sent, str(error))
        is_delivered = self._is_set(proven)
        delivery = await self._find_delivery(None) if is_delivered else None
        return proven_story(self._sent, header, delivery, is_delivered=is_delivered)

    def _is_set(self, proven: ProvenSlot) -> bool:
        return bool(int.from_bytes(proven.value) & bit_of(self.sequence))

    async def _read_journal(self) -> StoredStory | None:
        return None if self._journal is None else await asyncio.to_thread(self._journal.story, self.id)

    async def _find_delivery(self, told: StoredStory | None) -> DeliveryView | None:
        """The transaction that executed it, as far as the destination can be asked for it in a short time."""
        known = None if told is None else journal_delivery_view(told)
        try:
            async with asyncio.timeout(_HEARSAY_S):
                return await find_delivery(self._destination, self.lane_id, self.sequence, known)
        except (PostroadError, Rejection, TimeoutError):
            return known
