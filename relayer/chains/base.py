# SPDX-License-Identifier: MIT
"""What the pipeline asks of a chain. Everything that comes back is unverified (INV-5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NewType, Protocol

from light_clients.client import Height, Timestamp
from relayer.protocol.message import EndpointId, LaneId, Message, MessageId

TxHash = NewType("TxHash", bytes)
Address = NewType("Address", bytes)


@dataclass(frozen=True, slots=True)
class Head:
    """A block that a provider calls its newest. `received_s` is our own monotonic clock."""

    number: Height
    hash: bytes
    parent_hash: bytes
    timestamp: Timestamp


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message as a provider's logs tell it, with where it was found.

    Where `message.id` is not `claimed_id`, no provider's logs reproduce the leaf: it is to be reported, and
    not delivered.
    """

    message: Message
    claimed_id: MessageId
    block_number: Height
    block_hash: bytes
    tx_hash: TxHash
    log_index: int


@dataclass(frozen=True, slots=True)
class AccountProof:
    """Trie nodes for one account and some of its slots, as `eth_getProof` gives them (EIP-1186)."""

    account_nodes: tuple[bytes, ...]
    storage_nodes: Mapping[bytes, tuple[bytes, ...]]


class DeliveryEventKind(Enum):
    """What the inbox said of a message."""

    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """A single refusal in a deliver transaction; `reason` is at most 32 bytes of return data."""

    kind: DeliveryEventKind
    message_id: MessageId
    reason: bytes


@dataclass(frozen=True, slots=True)
class DeliveredRange:
    """One `Delivered` event: bit i of mask = sequence (first >> 8 << 8) + i was
    executed by this transaction.
    """

    lane_id: LaneId
    first: int
    count: int
    mask: int


@dataclass(frozen=True, slots=True)
class TxReceipt:
    """An included transaction. `fee_wei` is gas used times the effective price."""

    tx_hash: TxHash
    block_number: Height
    block_hash: bytes
    succeeded: bool
    gas_used: int
    fee_wei: int
    delivered: tuple[DeliveredRange, ...]
    events: tuple[DeliveryEvent, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A contract call. `gas` bounds a simulation or a transaction; None lets the chain estimate.

    An empty `to` creates.
    """

    to: Address
    data: bytes
    gas: int | None = None
    value_wei: int = 0


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Signed bytes, to be committed to the journal before they are broadcast (INV-6)."""

    sender: Address
    nonce: int
    tx_hash: TxHash
    raw: bytes
    max_fee_wei: int
    priority_fee_wei: int
    gas: int


@dataclass(frozen=True, slots=True)
class LaneState:
    """The outbox's word of a lane, read at a block."""

    next_sequence: int
    open: bool
    paused: bool


@dataclass(frozen=True, slots=True)
class RemoteState:
    """What a gateway has registered for a remote endpoint."""

    client: Address
    gateway: Address
    paused: bool
    retired: bool


@dataclass(frozen=True, slots=True)
class SimulatedDelivery:
    """What `deliver` would return now."""

    already_delivered: bool
    executed: int
    failed: int
    expired: int


class Chain(Protocol):
    """How to talk to one chain and its gateway. Methods raise the typed errors of relayer.errors."""

    name: str
    gateway: Address
    endpoint_id: EndpointId

    def heads(self) -> AsyncIterator[Head]:
        """New heads as they come, by subscription or by polling.

        May skip, repeat or lie; never ends by itself.
        """
        ...

    async def head(self) -> Head:
        """The newest block of the healthiest provider."""
        ...

    async def block(self, number: Height) -> Mapping[str, Any]:
        """A block as JSON-RPC gives it, without transactions' bodies."""
        ...

    async def blocks(self, numbers: Sequence[Height]) -> list[Mapping[str, Any]]:
        """Several blocks in one round trip, in the order asked."""
        ...

    async def sent_messages(self, first: Height, last: Height) -> list[SentMessage]:
        """Messages that the gateway's logs show in blocks first..last inclusive, by block and log index.

        Splits the range where a provider refuses its size.
        """
        ...

    def doubt_logs(self, first: Height, last: Height) -> None:
        """The logs of blocks first..last do not lead to the proven head: whoever told them loses health."""
        ...

    async def proof(self, account: Address, slots: Sequence[bytes], number: Height) -> AccountProof:
        """`eth_getProof` at a block; slots are 32 bytes."""
        ...

    async def lane(self, lane_id: LaneId, number: Height | None = None) -> LaneState:
        """The outbox's state of an outgoing lane, at a block or at the head."""
        ...

    async def remote(self, endpoint_id: EndpointId) -> RemoteState | None:
        """What the gateway has registered for a remote; None when it knows none."""
        ...

    async def delivered_bitmap(self, lane_id: LaneId, page: int) -> int:
        """The delivered bitmap of a page at the head, as a provider tells it (unproven)."""
        ...

    async def simulate_deliver(
        self, sender: Address, batch: bytes, proof: bytes, gas: int
    ) -> SimulatedDelivery:
        """`eth_call` of deliver with a gas bound. Raises CallReverted with the decoded reason."""
        ...

    def deliver_call(self, batch: bytes, proof: bytes, gas: int) -> Call:
        """The call that `simulate_deliver` simulates."""
        ...

    async def call(self, call: Call, number: Height | None = None) -> bytes:
        """`eth_call`. Raises CallReverted with the decoded reason."""
        ...

    async def prepare(self, call: Call) -> SignedTransaction:
        """Takes the next nonce of the best key and signs (EIP-1559). Nothing is broadcast."""
        ...

    async def replace(self, transaction: SignedTransaction, call: Call) -> SignedTransaction:
        """The same nonce at a higher price, bounded by config. Raises FeeLimitReached."""
        ...

    async def broadcast(self, raw: bytes) -> None:
        """Hands signed bytes to the providers; a node that has them already is a success.

        Bytes that an earlier process signed are welcome: their nonce counts as taken from then on. Raises
        NonceConflict when another transaction took the nonce, Underpriced when `replace` is needed,
        InsufficientFunds.
        """
        ...

    def abandon(self, transaction: SignedTransaction) -> None:
        """Gives back the nonce of a prepared transaction that was never broadcast, so that no gap stays."""
        ...

    async def receipt(self, tx_hash: TxHash) -> TxReceipt | None:
        """The receipt of an included transaction, decoded; None while it is not included."""
        ...

    async def nonce(self, sender: Address, *, pending: bool = False) -> int:
        """The account's transaction count."""
        ...

    async def balance(self, account: Address) -> int:
        """In wei."""
        ...

    @property
    def senders(self) -> tuple[Address, ...]:
        """The accounts that sign here, from configured keys."""
        ...

    async def close(self) -> None:
        """Closes connections; idempotent."""
        ...
