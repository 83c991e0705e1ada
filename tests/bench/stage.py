# SPDX-License-Identifier: MIT
"""A stage for exact figures: two local chains that make blocks on demand, joined,
driven without the daemon.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.contracts import artifact
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.protocol.batch import Batch, encode_batch
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import Lane, heads_slot, page_of
from relayer.protocol.message import ZERO_HEAD, Message, Sequence, next_head
from tests.bench.sides import BftSide, Proven, Side

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEFAULT_GAS_LIMIT = 100_000

S = TypeVar("S", bound=Side)


@dataclass
class Stage(Generic[S]):
    """Two joined endpoints and the lane from the first to the second, with what was sent on it."""

    source: S
    destination: BftSide
    client: bytes = b""
    """The source's light client on the destination."""
    recipient: bytes = b""
    sent: list[Message] = field(default_factory=list)

    @property
    def lane(self) -> Lane:
        """The public lane."""
        return Lane(self.source.id, self.destination.id)

    @property
    def recipient_interop(self) -> bytes:
        """The recipient's ERC-7930 bytes."""
        return InteropAddress.evm(self.destination.chain.chain_id, self.recipient).to_bytes()

    async def send(self, payload: bytes) -> int:
        """Send one message from the first funded account; returns the transaction's gas."""
        data = artifact.load("Gateway").encode_call("sendMessage", self.recipient_interop, payload, [])
        receipt = await self.source.transact(self.source.gateway, data)
        self.sent.append(
            Message(
                lane_id=self.lane.id,
                sequence=Sequence(len(self.sent)),
                sender=bytes(12) + self.source.chain.funded_keys[0].address,
                recipient=bytes(12) + self.recipient,
                gas_limit=DEFAULT_GAS_LIMIT,
                deadline=0,
                fee_wei=0,
                payload=payload,
            )
        )
        return int(receipt["gasUsed"], 16)

    def batch_from(self, first: int) -> Batch:
        """All messages from a sequence to the newest."""
        previous = ZERO_HEAD
        for message in self.sent[:first]:
            previous = next_head(previous, message.id)
        return Batch(self.lane, previous, Sequence(first), tuple(self.sent[first:]))

    def slot_of(self, batch: Batch) -> bytes:
        """The slot whose word proves a batch."""
        return heads_slot(self.lane.id, page_of(batch.last))

    async def encode_delivery(self, first: int) -> tuple[bytes, Proven]:
        """Encode a batch of all messages from a sequence to the newest, and prove it at the source's head."""
        batch = self.batch_from(first)
        proven = await self.source.prove(self.slot_of(batch))
        if proven.value != batch.compute_head():
            raise AssertionError("the source's proof does not show the head of what was sent")
        return encode_batch(batch), proven

    async def deliver(self, batch: bytes, proof: bytes, expected: int) -> int:
        """Deliver; returns the transaction's gas.

        Raises AssertionError unless `expected` messages were executed.
        """
        data = artifact.load("Gateway").encode_call("deliver", batch, proof)
        receipt = await self.destination.transact(self.destination.gateway, data)
        topic = "0x" + artifact.load("Gateway").event_topic("Delivered").hex()
        masks = [int(log["data"][-64:], 16) for log in receipt["logs"] if log["topics"][0] == topic]
        executed = sum(mask.bit_count() for mask in masks)
        if executed != expected:
            raise AssertionError(f"{executed} messages executed, expected {expected}")
        return int(receipt["gasUsed"], 16)


@asynccontextmanager
async def open_stage(source: S, seed: bytes, *, recipient: str = "Doorbell") -> AsyncIterator[Stage[S]]:
    """Start a destination with the source's rules, and deploy and join both.

    Args:
        source: a running chain.
        seed: of the destination's keys.
        recipient: the recipient's contract, constructed with its gateway.
    """
    async with LocalBftChain(
        "destination",
        ChainOptions(block_time_s=None, seed=seed, rules=source.chain.options.rules),
        validators=4,
    ) as other:
        stage = Stage(source, BftSide(other))
        destination = stage.destination
        for side in (source, destination):
            admin = side.chain.funded_keys[0].address
            side.authority = await side.create("AccessManager", admin)
            side.gateway = await side.create("Gateway", side.authority, side.chain.genesis_hash)
        stage.client = await _register(destination, source)
        await _register(source, destination)
        stage.recipient = await destination.create(recipient, destination.gateway)
        yield stage


async def _register(here: Side, there: Side) -> bytes:
    client = await there.deploy_client_on(here)
    limits = (DEFAULT_GAS_LIMIT, 1_000_000, 10_000)
    data = artifact.load("Gateway").encode_call(
        "registerRemote", there.interop, there.chain.genesis_hash, client, limits
    )
    await here.transact(here.gateway, data)
    return client
