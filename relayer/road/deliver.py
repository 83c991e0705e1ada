# SPDX-License-Identifier: MIT
"""Deliver one message by hand, without a daemon: the same verification, one transaction, no journal.

Also the light client's upkeep by hand. Relaying is permissionless, so any funded key will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from relayer.chains.base import Address, Call, Chain, TxReceipt
from relayer.chains.evm import abi
from relayer.consensus.base import ProvenSlot, VerifiedHeader
from relayer.consensus.open_chain import OpenChain
from relayer.errors import ConfigError, LanePaused, NotFoundYet
from relayer.protocol.batch import Batch, encode_batch
from relayer.protocol.lane import heads_slot
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE, ZERO_HEAD, MessageId, Sequence, next_head
from relayer.road.message import RoadMessage
from relayer.road.search import find_leaves, shows_delivery
from relayer.road.transact import SendingChain
from relayer.views.delivery import HandDeliveryView

#: Below the 16,777,216 gas that EIP-7825 allows a transaction.
_SIMULATION_GAS: Final = 15_000_000
#: A lane's length and leaves are a provider's word, which may lag behind the header: a newer one is tried.
_PROOF_ATTEMPTS: Final = 3


class HandDelivery(Enum):
    """What became of a delivery by hand."""

    EXECUTED = "executed"
    ALREADY_DELIVERED = "already_delivered"
    FAILED = "failed"
    """The recipient refused it."""
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class HandOutcome:
    """A delivery by hand. `receipt` is None where nothing was sent, `reason` what the recipient said."""

    result: HandDelivery
    header: VerifiedHeader
    receipt: TxReceipt | None = None
    reason: bytes = b""

    def view(self, message_id: MessageId) -> HandDeliveryView:
        """Return what came of it as it is shown, with a JSON form."""
        receipt = self.receipt
        return HandDeliveryView(
            id=message_id,
            result=self.result.value,
            source_block=self.header.number,
            tx_hash=None if receipt is None else receipt.tx_hash,
            block=None if receipt is None else receipt.block_number,
            gas_used=None if receipt is None else receipt.gas_used,
            fee_wei=None if receipt is None else receipt.fee_wei,
            reason=self.reason,
        )


@dataclass(frozen=True, slots=True)
class HandBatch:
    """Everything that one `deliver` takes, verified in Python."""

    batch: Batch
    encoded: bytes
    header: VerifiedHeader
    proven: ProvenSlot


async def build_hand_batch(message: RoadMessage, source: OpenChain) -> HandBatch:
    """Verify the source's newest header, prove the page's head, and lead the hashes from the message to it.

    Raises NotFoundYet when the logs don't lead there, light_clients.errors.Rejection, ChainUnavailable.
    """
    lane, page = message.lane, message.sequence >> PAGE_BITS
    start = page << PAGE_BITS
    found = expected = b""
    for _ in range(_PROOF_ATTEMPTS):
        header = await source.prover.verify_head(await source.chain.head())
        # A full page's slot keeps its last head for ever (ADR 0001), so no log of an older page is read.
        slots = [heads_slot(lane.id, page)] + ([heads_slot(lane.id, page - 1)] if page else [])
        proven = await source.prover.prove(header, source.chain.gateway, tuple(slots))
        previous = proven[1].value if page else ZERO_HEAD
        # The lane may have grown since the header: take only the leaves that the proven head has.
        state = await source.chain.lane(lane.id, header.number)
        last = min(state.next_sequence, start + PAGE_SIZE) - 1
        leaves = await find_leaves(source, lane.id, start, last)
        for leaf in leaves[: message.sequence - start]:
            previous = next_head(previous, leaf)
        tail = tuple(leaves[message.sequence - start + 1 :])
        batch = Batch(lane, previous, Sequence(message.sequence), (message.sent.message,), tail)
        found, expected = batch.compute_head(), proven[0].value
        if found == expected:
            return HandBatch(batch, encode_batch(batch), header, proven[0])
    raise NotFoundYet(
        f"the leaves in the logs of {source.name} lead to head 0x{found.hex()}",
        f"the proven head 0x{expected.hex()}",
        "A provider's logs are wrong or late: try again, or configure another provider.",
    )


async def deliver_by_hand(message: RoadMessage, source: OpenChain, destination: SendingChain) -> HandOutcome:
    """Deliver a message. The light client is updated first where it must be.

    Raises StopLane when the lane or its remote is paused there,
    CallReverted, and what `build_hand_batch` raises.
    """
    remote = await destination.chain.remote(message.lane.source)
    if remote is None:
        raise ConfigError(
            f"{destination.name} has not registered {source.name}",
            "a registered remote",
            "Run `postroad endpoint register`.",
        )
    if remote.paused:
        raise LanePaused(
            f"{source.name} is paused on {destination.name}", "not paused", "Ask its guardian or admin."
        )
    built = await build_hand_batch(message, source)
    # Before the simulation: a client that does not know who signs now refuses the proof.
    await update_client(source, destination, remote.client, only_when_needed=True)
    chain = destination.chain
    simulated = await chain.simulate_deliver(
        chain.senders[0], built.encoded, built.proven.proof, _SIMULATION_GAS
    )
    if simulated.already_delivered:
        return HandOutcome(HandDelivery.ALREADY_DELIVERED, built.header)
    if simulated.expired:
        return HandOutcome(HandDelivery.EXPIRED, built.header)
    if simulated.failed:
        # It would cost gas and change nothing.
        return HandOutcome(HandDelivery.FAILED, built.header)
    call = Call(chain.gateway, chain.deliver_call(built.encoded, built.proven.proof, 0).data)
    receipt = await destination.transact(call)
    failed = next((event.reason for event in receipt.events if event.message_id == message.id), None)
    if failed is not None:
        return HandOutcome(HandDelivery.FAILED, built.header, receipt, failed)
    # Another relayer may have come first, between the simulation and the block.
    done = shows_delivery(receipt.delivered, message.lane_id, message.sequence)
    result = HandDelivery.EXECUTED if done else HandDelivery.ALREADY_DELIVERED
    return HandOutcome(result, built.header, receipt)


async def update_client(
    source: OpenChain,
    destination: SendingChain,
    client: Address | None = None,
    *,
    only_when_needed: bool = False,
) -> tuple[TxReceipt, ...]:
    """Bring a chain's light client on a destination to the newest verified header.

    With `only_when_needed` nothing is sent while the client trusts those who sign now. Raises ClientExpired,
    ClientFrozen, ChainUnavailable, CallReverted.
    """
    # The newest verified header is what `updates_for` leads to.
    await source.prover.verify_head(await source.chain.head())
    address = await client_address(source, destination.chain) if client is None else client
    if only_when_needed and (await source.prover.client_at(destination.chain, address)).current:
        return ()
    receipts = []
    for update in await source.prover.updates_for(destination.chain, address):
        call = Call(address, abi.CLIENT_UPDATE + abi.encode_bytes(update))
        receipts.append(await destination.transact(call))
    return tuple(receipts)


async def client_address(source: OpenChain, destination: Chain) -> Address:
    """Where a chain's light client lies on a destination. Raises ConfigError when it isn't registered."""
    remote = await destination.remote(source.chain.endpoint_id)
    if remote is None:
        raise ConfigError(
            f"{destination.name} has not registered {source.name}",
            "a registered remote",
            "Run `postroad endpoint register`.",
        )
    return remote.client
