# SPDX-License-Identifier: MIT
"""What the pipeline asks of a chain of any kind. Everything that comes back is unverified (INV-5)."""

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
    """A block that a provider calls its newest.

    Hashes are 32 bytes; the timestamp is the block's, in seconds.
    """

    number: Height
    hash: bytes
    parent_hash: bytes
    timestamp: Timestamp


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message as a provider's logs tell it, and where it was found.

    `claimed_id` is the id in the log, `message.id` the one computed from the contents. Where they differ, no
    provider's logs reproduce the leaf: report the message, and do not deliver it.
    """

    message: Message
    claimed_id: MessageId
    block_number: Height
    block_hash: bytes
    tx_hash: TxHash
    log_index: int


@dataclass(frozen=True, slots=True)
class AccountProof:
    """Trie nodes, from the root down, for one account and some of its slots (EIP-1186, `eth_getProof`).

    `storage_nodes` maps a slot of 32 bytes to the nodes that lead to it.
    """

    account_nodes: tuple[bytes, ...]
    storage_nodes: Mapping[bytes, tuple[bytes, ...]]


class DeliveryEventKind(Enum):
    """Why the inbox did not execute a message."""

    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """A message that a deliver transaction did not execute; `reason` is at most 32 bytes of return data."""

    kind: DeliveryEventKind
    message_id: MessageId
    reason: bytes


@dataclass(frozen=True, slots=True)
class DeliveredRange:
    """One `Delivered` event: a batch had `count` messages of one page, from sequence `first` on.

    Bit i of `mask` says that this transaction executed sequence `(first >> 8 << 8) + i`: the mask counts from
    the start of the page.
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
    """A contract call. `gas` bounds the simulation or the transaction; None lets the chain estimate it.

    An empty `to` creates a contract, with `data` as its init code.
    """

    to: Address
    data: bytes
    gas: int | None = None
    value_wei: int = 0


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Signed bytes.

    Commit them to the journal before they are broadcast (INV-6). Prices are per unit of gas.
    """

    sender: Address
    nonce: int
    tx_hash: TxHash
    raw: bytes
    max_fee_wei: int
    priority_fee_wei: int
    gas: int


class Refusal(Enum):
    """Why a node did not take a transaction, by meaning; nodes have no common words for it.

    Attributes:
        NONCE_USED: the account's nonce is past the transaction's. The very same transaction may have used it.
        NONCE_TOO_FAR: too many lower nonces of the account are missing in the node.
        UNDERPRICED: the node wants a higher price, for itself or to replace another one of the same nonce.
        UNFUNDED: the account can't pay the most that the transaction may cost.
        TYPE_UNSUPPORTED: the chain does not have this type of transaction.
        TOO_LARGE: the bytes are more than the node takes.
        TOO_MUCH_GAS: the gas limit is above a block's or a transaction's.
        INVALID: no block can ever hold it: another chain's id, too little gas to begin with, a broken
            signature.
        NOT_ALLOWED: the chain's permissions keep the account from sending.
        BUSY: the node's pool is full.
        UNKNOWN: words that nobody has taught us.
    """

    NONCE_USED = "nonce used"
    NONCE_TOO_FAR = "nonce too far ahead"
    UNDERPRICED = "price too low"
    UNFUNDED = "not enough funds"
    TYPE_UNSUPPORTED = "type not supported"
    TOO_LARGE = "too large"
    TOO_MUCH_GAS = "too much gas"
    INVALID = "invalid"
    NOT_ALLOWED = "account not allowed"
    BUSY = "pool full"
    UNKNOWN = "unknown refusal"


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """What one provider said to a transaction that it was offered.

    Attributes:
        provider: the provider's label.
        refusal: why it did not take the bytes; None where it took them, or has them already.
        detail: its own words, cut and made printable; empty where it took them.
    """

    provider: str
    refusal: Refusal | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """What the nodes said to a transaction that was offered once. A hint: a node may take it and lose it.

    Attributes:
        answers: of the providers that answered.
        unreachable: what went wrong with the others, as text for people.
    """

    answers: tuple[NodeAnswer, ...]
    unreachable: tuple[str, ...] = ()

    @property
    def is_taken(self) -> bool:
        """Whether a provider took the bytes, or has them already."""
        return any(answer.refusal is None for answer in self.answers)

    @property
    def refusal(self) -> NodeAnswer | None:
        """The refusal that decides where no provider took the bytes: one that is understood, if there is one.

        None where a provider took them, or none answered.
        """
        if self.is_taken:
            return None
        named = [answer for answer in self.answers if answer.refusal is not Refusal.UNKNOWN]
        return next(iter([*named, *self.answers]), None)


@dataclass(frozen=True, slots=True)
class GasMarket:
    """What gas costs on a chain now, in wei a unit.

    Attributes:
        base_fee_wei: what every transaction of the next block pays about (EIP-1559); None where the chain has
            no base fee, so that transactions of type 0 are sent.
        suggested_wei: what a node suggests on top of the base fee, or without one as the whole price. A hint.
    """

    base_fee_wei: int | None
    suggested_wei: int

    @property
    def is_free(self) -> bool:
        """Whether the chain asks for nothing."""
        return not self.base_fee_wei and not self.suggested_wei


@dataclass(frozen=True, slots=True)
class GasPrice:
    """What a transaction offers for a unit of gas, in wei.

    Attributes:
        max_wei: the most that it pays, tip included.
        priority_wei: the tip within it; with type 0 the same as `max_wei`.
        is_legacy: whether it is a transaction of type 0, with one price.
    """

    max_wei: int
    priority_wei: int
    is_legacy: bool = False

    def paid_wei(self, market: GasMarket) -> int:
        """Return what a unit of gas costs at this price in a block of now."""
        if self.is_legacy or market.base_fee_wei is None:
            return self.max_wei
        return min(self.max_wei, market.base_fee_wei + self.priority_wei)


@dataclass(frozen=True, slots=True)
class LaneState:
    """What the outbox says of a lane at one block. `next_sequence` is that of the next message to be sent."""

    next_sequence: int
    open: bool
    paused: bool


@dataclass(frozen=True, slots=True)
class RemoteState:
    """What a gateway has registered for a remote endpoint.

    Attributes:
        client: its light client.
        gateway: its gateway.
        paused: whether nothing is sent to it or delivered from it.
        retired: whether it was given up: nothing is sent to it any more.
        succeeded: whether another endpoint was registered for its chain since: then nothing is delivered.
        last_height: while it is retired, the highest block of its chain that a delivery can be proven by.
    """

    client: Address
    gateway: Address
    paused: bool
    retired: bool
    succeeded: bool = False
    last_height: int = 0


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
        """Yield new heads as they come, by subscription or by polling.

        Heads may be skipped, repeated or invented. The iterator never ends by itself: close it.
        """
        ...

    async def head(self) -> Head:
        """Return the newest block that the healthiest provider knows."""
        ...

    async def block(self, number: Height) -> Mapping[str, Any]:
        """Return a block as JSON-RPC gives it, without its transactions. Raises NotFoundYet."""
        ...

    async def blocks(self, numbers: Sequence[Height]) -> list[Mapping[str, Any]]:
        """Return several blocks of one provider, in the order asked and in as few requests as it allows."""
        ...

    async def sent_messages(self, first: Height, last: Height) -> list[SentMessage]:
        """Return the messages that the gateway's logs show in blocks first..last, both inclusive.

        They are in the order of block and log index. The range is split where a provider refuses its size.
        """
        ...

    def doubt_logs(self, first: Height, last: Height) -> None:
        """Charge the providers that told the logs of blocks first..last, which miss the proven head."""
        ...

    async def proof(self, account: Address, slots: Sequence[bytes], number: Height) -> AccountProof:
        """Return `eth_getProof` at a block, unverified; slots are 32 bytes."""
        ...

    async def lane(self, lane_id: LaneId, number: Height | None = None) -> LaneState:
        """Return what the outbox says of an outgoing lane, at a block or at the head."""
        ...

    async def remote(self, endpoint_id: EndpointId) -> RemoteState | None:
        """Return what the gateway has registered for a remote endpoint; None when it knows none."""
        ...

    async def delivered_bitmap(self, lane_id: LaneId, page: int) -> int:
        """Return the delivered bitmap of a page at the head, unproven: bit i is sequence 256 * page + i."""
        ...

    async def simulate_deliver(
        self, sender: Address, batch: bytes, proof: bytes, gas: int
    ) -> SimulatedDelivery:
        """Simulate `deliver` with a gas bound, by `eth_call` at the head.

        Raises:
            CallReverted: deliver reverts; the error has the decoded reason, and its type the decision.
        """
        ...

    def deliver_call(self, batch: bytes, proof: bytes, gas: int) -> Call:
        """Return the call that `simulate_deliver` simulates."""
        ...

    async def call(self, call: Call, number: Height | None = None) -> bytes:
        """Return what a call answers, at a block or at the head.

        Raises CallReverted with the decoded reason.
        """
        ...

    def sign(self, sender: Address, nonce: int, call: Call, gas: int, price: GasPrice) -> SignedTransaction:
        """Sign a call with an account's key; `gas` is the limit.

        Nothing is asked of the chain, and no nonce is taken: whoever calls this has chosen it.

        Raises KeyUnavailable.
        """
        ...

    def read_call(self, raw: bytes) -> Call | None:
        """Return the call of signed bytes; None for bytes that can't be read."""
        ...

    async def estimate(self, call: Call, sender: Address) -> int:
        """Return the gas that a transaction of an account needs, with a margin for state that moves.

        Raises CallReverted, with the decoded reason.
        """
        ...

    async def market(self) -> GasMarket:
        """Return what gas costs now, as a provider says; it may be some seconds old.

        Raises ChainUnavailable.
        """
        ...

    async def offer(self, raw: bytes) -> Offered:
        """Hand signed bytes to all providers, and return what they said.

        It returns as soon as one of them has the bytes; the slower ones get them all the same. Where none
        takes them, it waits for all, within limits.

        Raises nothing that is Retryable: where nobody can be reached, there are no answers.
        """
        ...

    async def receipt(self, tx_hash: TxHash, *, ask_all: bool = False) -> TxReceipt | None:
        """Return the decoded receipt of a transaction; None while it is not included.

        Args:
            tx_hash: 32 bytes.
            ask_all: whether one provider's word that there is none is not enough: all are asked, and any
                receipt counts.
        """
        ...

    async def count_transactions(self, sender: Address, *, pending: bool = False) -> tuple[int, ...]:
        """Return an account's transaction count as every provider has it that answers; empty when none does.

        Of included transactions, or with those that are pending. All of it is hearsay.
        """
        ...

    async def balance(self, account: Address) -> int:
        """Return an account's balance in wei."""
        ...

    @property
    def senders(self) -> tuple[Address, ...]:
        """The accounts that sign here, in the order of the configured keys."""
        ...

    async def close(self) -> None:
        """Close connections; idempotent."""
        ...
