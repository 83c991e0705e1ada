# SPDX-License-Identifier: MIT
"""The state of an in-memory chain, and what `deliver`, `update`, `anchor` and `freeze` do to it.

It follows the contracts' rules for which messages are skipped, executed, failed or expired, and for what
reverts. Gas is a rough sum.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from light_clients.client import Height, Status, Timestamp
from relayer.chains.base import (
    Address,
    DeliveredRange,
    DeliveryEvent,
    DeliveryEventKind,
    RemoteState,
    SimulatedDelivery,
)
from relayer.chains.evm import abi
from relayer.chains.evm.reverts import decode_revert
from relayer.errors import CallReverted, Malformed
from relayer.protocol.batch import Batch, calldata_gas, decode_batch
from relayer.protocol.lane import Lane, bit_of, delivered_slot, heads_slot, page_of
from relayer.protocol.message import EndpointId, LaneId, Message, MessageId, next_head

EXECUTION_GAS: Final = 60_000
MESSAGE_GAS: Final = 4_000
ALREADY_GAS: Final = 10_000

ANCHOR_GAS: Final = 230_000
_PROOF_TAG: Final = b"memory proof"
_SHORT_TAG: Final = b"memory short"
_UPDATE_TAG: Final = b"memory update"
_ANCHOR_TAG: Final = b"memory anchor"
_FREEZE_TAG: Final = b"memory freeze"


@dataclass(slots=True)
class MemoryClient:
    """A light client of another in-memory chain.

    Attributes:
        source: the other chain's blocks, which the client looks into instead of verifying.
        set_version: the version of the signer set that it trusts.
        height: the block of its trusted state.
        timestamp: that block's time.
        trusting_period_s: how long it believes anything after that time.
        frozen: whether misbehaviour was proven to it.
        anchored: the block that is anchored, 0 for none.
    """

    source: MemoryLedger
    set_version: int
    height: Height
    timestamp: Timestamp
    trusting_period_s: int = 1_209_600
    frozen: bool = False
    anchored: Height = Height(0)  # noqa: RUF009  a number

    def status(self, now: Timestamp) -> Status:
        """Return Frozen, Expired or Active, as contracts judge it at this time."""
        if self.frozen:
            return Status.FROZEN
        return Status.EXPIRED if now > self.timestamp + self.trusting_period_s else Status.ACTIVE


@dataclass(slots=True)
class MemoryLane:
    """An outgoing lane in the outbox."""

    next_sequence: int = 0
    is_open: bool = True
    is_paused: bool = False


@dataclass(slots=True)
class MemoryState:
    """Everything that a block can change.

    Attributes:
        storage: the gateway's storage slots that proofs refer to, by slot: page heads and delivered bitmaps.
        lanes: the outgoing lanes by id.
        remotes: what is registered for other endpoints.
        paused_lanes: the incoming lanes that are paused.
        clients: the light clients of other chains by address.
        nonces: how many transactions of an account are mined.
        set_version: the version of the signer set that signs this chain's blocks.
    """

    storage: dict[bytes, bytes] = field(default_factory=dict)
    lanes: dict[LaneId, MemoryLane] = field(default_factory=dict)
    remotes: dict[EndpointId, RemoteState] = field(default_factory=dict)
    paused_lanes: set[LaneId] = field(default_factory=set)
    clients: dict[Address, MemoryClient] = field(default_factory=dict)
    nonces: dict[Address, int] = field(default_factory=dict)
    set_version: int = 0

    def copy(self) -> MemoryState:
        """Return a state that can change without changing this one."""
        return MemoryState(
            dict(self.storage),
            {lane_id: copy.copy(lane) for lane_id, lane in self.lanes.items()},
            dict(self.remotes),
            set(self.paused_lanes),
            {address: copy.copy(client) for address, client in self.clients.items()},
            dict(self.nonces),
            self.set_version,
        )


@dataclass(frozen=True, slots=True)
class MemoryBlock:
    """A mined block with the state after it; its base fee is None where the chain has none."""

    number: Height
    hash: bytes
    parent_hash: bytes
    timestamp: Timestamp
    state: MemoryState
    base_fee_wei: int | None = None


class MemoryLedger:
    """The blocks of a chain; what light clients of other in-memory chains look into instead of verifying."""

    def __init__(self) -> None:
        self.blocks: list[MemoryBlock] = []

    def at(self, height: int) -> MemoryBlock | None:
        """Return the block of a height, None when there is none."""
        return self.blocks[height] if 0 <= height < len(self.blocks) else None


@dataclass(frozen=True, slots=True)
class MemoryExecution:
    """What a call did. Only `deliver` has more than its gas."""

    gas_used: int
    simulated: SimulatedDelivery | None = None
    delivered: tuple[DeliveredRange, ...] = ()
    events: tuple[DeliveryEvent, ...] = ()


def append_message(state: MemoryState, message: Message) -> None:
    """Hash a message into its lane's page head, as the Outbox does."""
    page = page_of(message.sequence)
    before = page if message.sequence == 0 or page_of(message.sequence - 1) == page else page - 1
    head = state.storage.get(heads_slot(message.lane_id, before), bytes(32))
    state.storage[heads_slot(message.lane_id, page)] = next_head(head, message.id)
    state.lanes[message.lane_id].next_sequence = message.sequence + 1


def encode_proof(set_version: int, height: Height, timestamp: Timestamp, slot: bytes, value: bytes) -> bytes:
    """Return what stands for a storage proof: a claim that `verify_proof` compares with the source itself."""
    return b"".join(
        (
            _PROOF_TAG,
            set_version.to_bytes(4),
            height.to_bytes(8),
            timestamp.to_bytes(8),
            slot,
            value,
        )
    )


def encode_update(set_version: int, height: Height, timestamp: Timestamp) -> bytes:
    """Return what stands for an update of a light client."""
    return _UPDATE_TAG + set_version.to_bytes(4) + height.to_bytes(8) + timestamp.to_bytes(8)


def encode_anchor(set_version: int, height: Height, timestamp: Timestamp) -> bytes:
    """Return what stands for a header to anchor."""
    return _ANCHOR_TAG + encode_update(set_version, height, timestamp)[len(_UPDATE_TAG) :]


def encode_freeze(set_version: int) -> bytes:
    """Return what stands for a proof of misbehaviour."""
    return _FREEZE_TAG + set_version.to_bytes(4)


def shorten_proof(proof: bytes) -> bytes:
    """Return what stands for the same proof, referring to the anchor."""
    return _SHORT_TAG + proof[len(_PROOF_TAG) :]


def verify_proof(client: MemoryClient, proof: bytes, slot: bytes) -> tuple[bytes, Height]:
    """Return the proven value of a slot and the block that proves it.

    Raises CallReverted when the client rejects the proof.
    """
    is_short = proof.startswith(_SHORT_TAG)
    if not (is_short or proof.startswith(_PROOF_TAG)) or len(proof) != len(_PROOF_TAG) + 84:
        raise revert("ProofRejected()")
    body = proof[len(_PROOF_TAG) :]
    set_version, height = int.from_bytes(body[:4]), int.from_bytes(body[4:12])
    block = client.source.at(height)
    if is_short and (height != client.anchored or not height):
        raise revert("NotAnchoredRoot(bytes32,bytes32)", height, client.anchored)
    is_known = is_short or set_version == client.set_version
    if block is None or not is_known or block.state.set_version != set_version:
        raise revert("ProofRejected()")
    value = block.state.storage.get(slot, bytes(32))
    if body[20:] != slot + value or int.from_bytes(body[12:20]) != block.timestamp:
        raise revert("ProofRejected()")
    return value, block.number


def apply_update(client: MemoryClient, data: bytes) -> None:
    """Move a client's trusted state, as `update` does. Raises CallReverted."""
    if not data.startswith(_UPDATE_TAG) or len(data) != len(_UPDATE_TAG) + 20:
        raise revert("UpdateRejected()")
    body = data[len(_UPDATE_TAG) :]
    height = int.from_bytes(body[4:12])
    block = client.source.at(height)
    if block is None or height <= client.height or block.state.set_version != int.from_bytes(body[:4]):
        raise revert("UpdateRejected()")
    client.set_version = block.state.set_version
    client.height, client.timestamp = block.number, block.timestamp


def apply_anchor(client: MemoryClient, data: bytes) -> None:
    """Move a client's anchor, as `anchor` does. Raises CallReverted."""
    body = data[len(_ANCHOR_TAG) :]
    height = Height(int.from_bytes(body[4:12]))
    if not data.startswith(_ANCHOR_TAG) or int.from_bytes(body[:4]) != client.set_version:
        raise revert("HeaderRejected()")
    if height <= client.anchored:
        raise revert("HeightNotAbove(uint256,uint256)", height, client.anchored)
    client.anchored = height


def apply_freeze(client: MemoryClient, data: bytes) -> None:
    """Freeze a client, as `freeze` does. Raises CallReverted."""
    if data != encode_freeze(client.set_version) or client.frozen:
        raise revert("NoMisbehaviour(bytes32)", 0)
    client.frozen = True


def execute_deliver(
    state: MemoryState,
    own: EndpointId,
    now: Timestamp,
    data: bytes,
    gas: int,
    refusal_of: Callable[[Message], bytes | None],
) -> MemoryExecution:
    """Run `deliver` on a state, and change it.

    Args:
        state: the state of the destination.
        own: the destination's endpoint id.
        now: the block's time.
        data: the call's data.
        gas: the transaction's gas limit.
        refusal_of: gives the revert data of a message's recipient, None where it accepts.

    Raises:
        CallReverted: the inbox refuses. The state may be half changed then: the caller throws it away.
    """
    batch_bytes, proof = _decode_deliver(data)
    try:
        batch = decode_batch(batch_bytes, own)
    except Malformed:
        raise revert("MalformedBatch(uint256)", 0) from None
    lane = batch.lane
    remote = state.remotes.get(lane.source)
    if remote is None:
        raise revert("UnknownRemote(bytes32)", int.from_bytes(lane.source))
    if remote.paused:
        raise revert("RemoteIsPaused(bytes32)", int.from_bytes(lane.source))
    full = [item for item in batch.items if isinstance(item, Message)]
    base = calldata_gas(data)
    if full and all(_is_set(state, item) for item in full):
        return MemoryExecution(
            base.transaction_gas(ALREADY_GAS),
            SimulatedDelivery(already_delivered=True, executed=0, failed=0, expired=0),
        )
    client = state.clients[remote.client]
    if client.status(now) is not Status.ACTIVE:
        raise revert("NotActive(uint8)", client.status(now))
    proven, height = verify_proof(client, proof, heads_slot(lane.id, page_of(batch.last)))
    computed = batch.compute_head()
    if proven != computed:
        raise revert("HeadMismatch(bytes32,bytes32)", int.from_bytes(computed), int.from_bytes(proven))
    _require_unbarred(state, lane, remote, height)
    needed = EXECUTION_GAS + sum(item.gas_limit + batch.extra_gas + MESSAGE_GAS for item in full)
    if gas < base.transaction_gas(needed):
        raise revert("InsufficientGas(uint256,uint256)", gas, base.transaction_gas(needed))
    turned_on, events = _execute_items(state, now, full, refusal_of)
    executed = EXECUTION_GAS + MESSAGE_GAS * len(full)
    failed = sum(event.kind is DeliveryEventKind.FAILED for event in events)
    simulated = SimulatedDelivery(
        already_delivered=False, executed=len(turned_on), failed=failed, expired=len(events) - failed
    )
    ranges = _to_ranges(batch, turned_on)
    return MemoryExecution(base.transaction_gas(executed), simulated, ranges, tuple(events))


def _require_unbarred(state: MemoryState, lane: Lane, remote: RemoteState, height: Height) -> None:
    if lane.id in state.paused_lanes:
        raise revert("InboundLaneIsPaused(bytes32)", int.from_bytes(lane.id))
    if not remote.retired:
        return
    source = int.from_bytes(lane.source)
    if remote.succeeded:
        raise revert("RemoteIsSucceeded(bytes32)", source)
    if height > remote.last_height:
        raise revert("BeyondRetirement(bytes32,uint256,uint256)", source, height, remote.last_height)


def _execute_items(
    state: MemoryState,
    now: Timestamp,
    items: list[Message],
    refusal_of: Callable[[Message], bytes | None],
) -> tuple[list[int], list[DeliveryEvent]]:
    turned_on: list[int] = []
    events: list[DeliveryEvent] = []
    for message in items:
        if _is_set(state, message):
            continue
        if message.deadline and now > message.deadline:
            events.append(DeliveryEvent(DeliveryEventKind.EXPIRED, MessageId(message.id), b""))
            continue
        refusal = refusal_of(message)
        if refusal is not None:
            events.append(DeliveryEvent(DeliveryEventKind.FAILED, MessageId(message.id), refusal[:32]))
            continue
        slot = delivered_slot(message.lane_id, page_of(message.sequence))
        word = int.from_bytes(state.storage.get(slot, bytes(32))) | bit_of(message.sequence)
        state.storage[slot] = word.to_bytes(32)
        turned_on.append(message.sequence)
    return turned_on, events


def revert(signature: str, *arguments: int) -> CallReverted:
    """Return the typed error of a contract's error with this signature and these words as arguments."""
    return decode_revert(abi.selector(signature) + b"".join(map(abi.encode_word, arguments)))


def _is_set(state: MemoryState, message: Message) -> bool:
    word = state.storage.get(delivered_slot(message.lane_id, page_of(message.sequence)), bytes(32))
    return bool(int.from_bytes(word) & bit_of(message.sequence))


def _to_ranges(batch: Batch, turned_on: list[int]) -> tuple[DeliveredRange, ...]:
    masks: dict[int, int] = {}
    for sequence in turned_on:
        page = page_of(sequence)
        masks[page] = masks.get(page, 0) | bit_of(sequence)
    end = batch.first + len(batch.items)
    ranges = []
    for page, mask in sorted(masks.items()):
        first = max(batch.first, page << 8)
        ranges.append(DeliveredRange(batch.lane.id, first, min(end, (page + 1) << 8) - first, mask))
    return tuple(ranges)


def _decode_deliver(data: bytes) -> tuple[bytes, bytes]:
    values = []
    for index in range(2):
        at = 4 + int.from_bytes(data[4 + 32 * index : 36 + 32 * index])
        length = int.from_bytes(data[at : at + 32])
        values.append(data[at + 32 : at + 32 + length])
    return values[0], values[1]
