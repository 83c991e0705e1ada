"""The state of an in-memory chain: lanes, delivered words, light clients and what deliver, update and freeze do to them.

It follows the contracts' rules for who is skipped, executed, failed or expired, and for what reverts. Gas is a rough sum.
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
from relayer.protocol.lane import bit_of, delivered_slot, heads_slot, page_of
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
    """A light client of another in-memory chain. `set_version` stands for its trusted signers."""

    source: MemoryLedger
    set_version: int
    height: Height
    timestamp: Timestamp
    trusting_period_s: int = 1_209_600
    frozen: bool = False
    anchored: Height = Height(0)  # noqa: RUF009  a number

    def status(self, now: Timestamp) -> Status:
        """Frozen, Expired or Active, as contracts judge it."""
        if self.frozen:
            return Status.FROZEN
        return Status.EXPIRED if now > self.timestamp + self.trusting_period_s else Status.ACTIVE


@dataclass(slots=True)
class OutLane:
    """An outgoing lane."""

    next_sequence: int = 0
    is_open: bool = True
    is_paused: bool = False


@dataclass(slots=True)
class MemoryState:
    """Everything that a block can change."""

    words: dict[bytes, bytes] = field(default_factory=dict)
    lanes: dict[LaneId, OutLane] = field(default_factory=dict)
    remotes: dict[EndpointId, RemoteState] = field(default_factory=dict)
    paused_lanes: set[LaneId] = field(default_factory=set)
    clients: dict[Address, MemoryClient] = field(default_factory=dict)
    nonces: dict[Address, int] = field(default_factory=dict)
    set_version: int = 0

    def copy(self) -> MemoryState:
        """A state that can change without this one."""
        return MemoryState(
            dict(self.words),
            {lane_id: copy.copy(lane) for lane_id, lane in self.lanes.items()},
            dict(self.remotes),
            set(self.paused_lanes),
            {address: copy.copy(client) for address, client in self.clients.items()},
            dict(self.nonces),
            self.set_version,
        )


@dataclass(frozen=True, slots=True)
class MemoryBlock:
    """A mined block with the state after it."""

    number: Height
    hash: bytes
    parent_hash: bytes
    timestamp: Timestamp
    state: MemoryState


class MemoryLedger:
    """The blocks of a chain; what light clients of other in-memory chains look into instead of verifying."""

    def __init__(self) -> None:
        self.blocks: list[MemoryBlock] = []

    def at(self, height: int) -> MemoryBlock | None:
        """A block, None when there is none."""
        return self.blocks[height] if 0 <= height < len(self.blocks) else None


@dataclass(frozen=True, slots=True)
class Executed:
    """What a call did."""

    gas_used: int
    simulated: SimulatedDelivery | None = None
    delivered: tuple[DeliveredRange, ...] = ()
    events: tuple[DeliveryEvent, ...] = ()


def append_message(state: MemoryState, message: Message) -> None:
    """Hash a message into its lane's page head, as the Outbox does."""
    page = page_of(message.sequence)
    before = page if message.sequence == 0 or page_of(message.sequence - 1) == page else page - 1
    head = state.words.get(heads_slot(message.lane_id, before), bytes(32))
    state.words[heads_slot(message.lane_id, page)] = next_head(head, message.id)
    state.lanes[message.lane_id].next_sequence = message.sequence + 1


def encode_proof(set_version: int, height: Height, timestamp: Timestamp, slot: bytes, value: bytes) -> bytes:
    """What stands for a storage proof: a claim that `verify_proof` compares with the source itself."""
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
    """What stands for an update of a light client."""
    return _UPDATE_TAG + set_version.to_bytes(4) + height.to_bytes(8) + timestamp.to_bytes(8)


def encode_anchor(set_version: int, height: Height, timestamp: Timestamp) -> bytes:
    """What stands for a header that is anchored."""
    return _ANCHOR_TAG + encode_update(set_version, height, timestamp)[len(_UPDATE_TAG) :]


def encode_freeze(set_version: int) -> bytes:
    """What stands for a proof of misbehaviour."""
    return _FREEZE_TAG + set_version.to_bytes(4)


def shorten_proof(proof: bytes) -> bytes:
    """What stands for a proof that refers to the anchor."""
    return _SHORT_TAG + proof[len(_PROOF_TAG) :]


def verify_proof(client: MemoryClient, proof: bytes, slot: bytes) -> bytes:
    """The proven value. Raises CallReverted when the client would reject the proof."""
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
    value = block.state.words.get(slot, bytes(32))
    if body[20:] != slot + value or int.from_bytes(body[12:20]) != block.timestamp:
        raise revert("ProofRejected()")
    return value


def apply_update(client: MemoryClient, data: bytes) -> None:
    """Move a client's trusted state. Raises CallReverted."""
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
    """Move a client's anchor. Raises CallReverted."""
    body = data[len(_ANCHOR_TAG) :]
    height = Height(int.from_bytes(body[4:12]))
    if not data.startswith(_ANCHOR_TAG) or int.from_bytes(body[:4]) != client.set_version:
        raise revert("HeaderRejected()")
    if height <= client.anchored:
        raise revert("HeightNotAbove(uint256,uint256)", height, client.anchored)
    client.anchored = height


def apply_freeze(client: MemoryClient, data: bytes) -> None:
    """Freeze a client. Raises CallReverted."""
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
) -> Executed:
    """Run `deliver` on a state, changing it. Raises CallReverted, after which the state is to be thrown away.

    `refusal_of` gives a recipient's revert data, None where it accepts.
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
    if lane.id in state.paused_lanes:
        raise revert("InboundLaneIsPaused(bytes32)", int.from_bytes(lane.id))
    full = [item for item in batch.items if isinstance(item, Message)]
    base = calldata_gas(data)
    if full and all(_is_set(state, item) for item in full):
        return Executed(
            base.transaction_gas(ALREADY_GAS),
            SimulatedDelivery(already_delivered=True, executed=0, failed=0, expired=0),
        )
    client = state.clients[remote.client]
    if client.status(now) is not Status.ACTIVE:
        raise revert("NotActive(uint8)", client.status(now))
    proven = verify_proof(client, proof, heads_slot(lane.id, page_of(batch.last)))
    computed = batch.compute_head()
    if proven != computed:
        raise revert("HeadMismatch(bytes32,bytes32)", int.from_bytes(computed), int.from_bytes(proven))
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
    return Executed(base.transaction_gas(executed), simulated, ranges, tuple(events))


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
        word = int.from_bytes(state.words.get(slot, bytes(32))) | bit_of(message.sequence)
        state.words[slot] = word.to_bytes(32)
        turned_on.append(message.sequence)
    return turned_on, events


def revert(signature: str, *arguments: int) -> CallReverted:
    """The typed error of a contract's refusal."""
    return decode_revert(abi.selector(signature) + b"".join(map(abi.encode_word, arguments)))


def _is_set(state: MemoryState, message: Message) -> bool:
    word = state.words.get(delivered_slot(message.lane_id, page_of(message.sequence)), bytes(32))
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
