# SPDX-License-Identifier: MIT
"""What goes into the journal and what comes out of it, as frozen values. Times are microseconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NewType

from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import PAGE_BITS, Message, MessageId

ChainRow = NewType("ChainRow", int)
LaneRow = NewType("LaneRow", int)
BatchRow = NewType("BatchRow", int)
TransactionRow = NewType("TransactionRow", int)
Micros = NewType("Micros", int)

#: Every bit of a page.
ALL_BITS = (1 << (1 << PAGE_BITS)) - 1


def range_mask(first: int, last: int) -> int:
    """The bits of the sequences first..last inclusive, which lie in one page."""
    return (2 << (last & 0xFF)) - (1 << (first & 0xFF))


class TransactionState(Enum):
    """What became of a nonce. The values are what the journal keeps."""

    OPEN = "open"
    """Signed and committed; it may land at any time, whatever providers say."""
    INCLUDED = "included"
    """A provider shows its receipt; a reorganisation can open it again."""
    SETTLED = "settled"
    """What it did, or that it did nothing, is proven or of no more interest."""
    DISPLACED = "displaced"
    """Another transaction of the account took its nonce: it can never land."""


class Purpose(Enum):
    """What a transaction is for."""

    DELIVER = "deliver"
    UPDATE = "update"
    ANCHOR = "anchor"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True)
class StoredChain:
    """A chain's cursors: verified to a height, its logs read to another."""

    row: ChainRow
    name: str
    endpoint_id: bytes
    trusted_state: bytes | None
    verified_height: int
    verified_timestamp: int
    scanned_height: int


@dataclass(frozen=True, slots=True)
class StoredLane:
    """A lane's cursors. `proven` counts proven messages, `settled` those at its start that nothing more happens to."""

    row: LaneRow
    lane: Lane
    source: str
    destination: str
    proven: int
    proven_head: bytes
    proven_block: int
    settled: int
    waiting: Waiting | None
    waiting_since: Micros


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as its source's logs told it. `head` is the lane's running head after it."""

    lane: LaneRow
    message: Message
    leaf: MessageId
    head: bytes
    block_number: int
    block_hash: bytes
    tx_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of all messages of a range, or of those in `mask` where it is given (bit i = (page << 8) + i)."""

    lane: LaneRow
    first: int
    last: int
    state: DeliveryState
    at: Micros
    mask: int | None = None
    batch: BatchRow | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def page(self) -> int:
        """The page that the range lies in."""
        return self.first >> PAGE_BITS

    def tells_of(self, sequence: int) -> bool:
        """Whether the step was a step of this message."""
        if not self.first <= sequence <= self.last:
            return False
        return self.mask is None or bool(self.mask >> (sequence & 0xFF) & 1)


@dataclass(frozen=True, slots=True)
class StoredProof:
    """A page's head as last proven. It covers the sequences of the page up to `last`."""

    lane: LaneRow
    page: int
    last: int
    head: bytes
    height: int
    timestamp: int
    proof: bytes


@dataclass(frozen=True, slots=True)
class StoredPage:
    """What is settled of a page, by bit; `height` is the destination's header that proved it."""

    lane: LaneRow
    page: int
    delivered: int
    expired: int
    height: int


@dataclass(frozen=True, slots=True)
class StoredWait:
    """Why one message waits, how often it was tried, and when it is tried again."""

    lane: LaneRow
    sequence: int
    waiting: Waiting
    since: Micros
    attempts: int
    not_before: Micros


@dataclass(frozen=True, slots=True)
class SignedAttempt:
    """One signature for a nonce."""

    tx_hash: bytes
    raw: bytes
    gas: int
    max_fee_wei: int
    priority_fee_wei: int
    at: Micros


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """The full messages that one deliver transaction carries."""

    row: BatchRow
    lane: LaneRow
    page: int
    first: int
    last: int
    mask: int
    proof_height: int
    transaction: TransactionRow

    def numbered(self, row: BatchRow) -> StoredBatch:
        """The same batch with the row that it was given."""
        return replace(self, row=row)


@dataclass(frozen=True, slots=True)
class StoredTransaction:
    """An account's use of a nonce, with every signature made for it, oldest first."""

    row: TransactionRow
    chain: ChainRow
    purpose: Purpose
    sender: bytes
    nonce: int
    state: TransactionState
    signed_at: Micros
    attempts: tuple[SignedAttempt, ...]
    block_number: int | None = None
    block_hash: bytes | None = None
    included_hash: bytes | None = None
    succeeded: bool | None = None
    gas_used: int | None = None
    fee_wei: int | None = None
    wasted_gas: int | None = None


@dataclass(frozen=True, slots=True)
class StoredStep:
    """One step of one message, with the transaction that made it where one did."""

    state: DeliveryState
    at: Micros
    detail: Mapping[str, Any]
    tx_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredStory:
    """Everything that the journal knows of a message, oldest step first.

    `delivered_by` is the transaction of ours that a provider showed as included and that carried the message, where the
    message counts as delivered. Another relayer's may have executed it a block earlier: the receipt tells.
    """

    stored: StoredMessage
    source: str
    destination: str
    steps: tuple[StoredStep, ...]
    state: DeliveryState
    waiting: Waiting | None
    proof: StoredProof | None
    delivered_by: StoredTransaction | None = None


@dataclass(frozen=True, slots=True)
class PendingMessage:
    """A message that waits, with its reason (INV-10)."""

    lane: LaneRow
    source: str
    destination: str
    sequence: int
    leaf: MessageId
    state: DeliveryState
    since: Micros
    waiting: Waiting


#: What a message waits for when neither it nor its lane has a reason of its own.
DEFAULT_WAITING: Mapping[DeliveryState, Waiting] = {
    DeliveryState.OBSERVED: Waiting(WaitingReason.FINALITY, "a verified header of the source that covers it"),
    DeliveryState.VERIFIED: Waiting(WaitingReason.FINALITY, "a proof of its page"),
    DeliveryState.PROVEN: Waiting(WaitingReason.BATCH, "company, or its turn in the daemon's queue"),
    DeliveryState.SUBMITTED: Waiting(WaitingReason.INCLUSION, "its transaction is broadcast"),
    DeliveryState.INCLUDED: Waiting(
        WaitingReason.FINALITY, "a verified header of the destination that proves its bit"
    ),
    DeliveryState.FAILED: Waiting(WaitingReason.RECIPIENT_REVERTS),
    DeliveryState.REFUSED: Waiting(WaitingReason.FEE_POLICY),
}
