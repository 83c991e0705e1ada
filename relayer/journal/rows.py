# SPDX-License-Identifier: MIT
"""What goes into the journal and what comes out of it, as frozen values.

Times are microseconds since 1970. Masks are bits of a page: bit i stands for sequence (page << 8) + i.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, NewType

from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import PAGE_BITS, Message, MessageId

ChainRow = NewType("ChainRow", int)
LaneRow = NewType("LaneRow", int)
BatchRow = NewType("BatchRow", int)
TransactionRow = NewType("TransactionRow", int)
Micros = NewType("Micros", int)

#: How many Micros a second has.
MICROS_PER_S: Final = 1_000_000

#: Every bit of a page.
ALL_BITS: Final = (1 << (1 << PAGE_BITS)) - 1


def range_mask(first: int, last: int) -> int:
    """Return the bits of the sequences first..last inclusive, which must lie in one page."""
    return (2 << (last & 0xFF)) - (1 << (first & 0xFF))


class TransactionState(Enum):
    """What became of a nonce. The journal keeps the values.

    Attributes:
        OPEN: the transaction is signed and committed. It may land at any time, whatever providers say.
        INCLUDED: a provider shows its receipt. A reorganisation can open it again.
        SETTLED: its effect, or that it had none, is proven or of no more interest.
        DISPLACED: another transaction of the account took its nonce, so it can never land.
        GIVEN_UP: no node takes it, or its nonce is out of reach. Another transaction may have its nonce, so
            that one of the two lands, and what it carried is signed anew.
    """

    OPEN = "open"
    INCLUDED = "included"
    SETTLED = "settled"
    DISPLACED = "displaced"
    GIVEN_UP = "given up"


class Purpose(Enum):
    """What a transaction is for. The journal keeps the values.

    Attributes:
        DELIVER: delivers messages.
        UPDATE, ANCHOR, FREEZE: call a light client.
        FILL: uses up a nonce that later ones wait for.
        OTHER: what a command or the library sends.
    """

    DELIVER = "deliver"
    UPDATE = "update"
    ANCHOR = "anchor"
    FREEZE = "freeze"
    FILL = "fill"
    OTHER = "other"


class Wish(Enum):
    """What an operator may ask of a transaction that waits. The journal keeps the values.

    Attributes:
        REPLACE: sign it again at a higher price.
        CANCEL: use its nonce up by an empty transfer.
    """

    REPLACE = "replace"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class StoredChain:
    """A chain's cursors.

    Attributes:
        trusted_state: what our light client exported last; None before its first header.
        verified_height: the newest verified header's block.
        verified_timestamp: that header's time, in seconds.
        scanned_height: the block up to which logs were read.
    """

    row: ChainRow
    name: str
    endpoint_id: bytes
    trusted_state: bytes | None
    verified_height: int
    verified_timestamp: int
    scanned_height: int


@dataclass(frozen=True, slots=True)
class StoredLane:
    """A lane's cursors.

    Attributes:
        source: the name of the chain that the messages come from.
        destination: the name of the chain that they go to.
        proven: how many messages are proven to have been sent.
        proven_head: the running head after them, 32 bytes.
        proven_block: the block in which the last of them was sent.
        settled: below which sequence nothing more happens to any message.
        waiting: why the lane as a whole waits; None when it does not.
        waiting_since: since when.
    """

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
    """A message as its source's logs tell it.

    Attributes:
        leaf: the leaf that the logs name; the hash of `message`, unless a provider altered its fields.
        head: the lane's running head after the message, 32 bytes.
    """

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
    """One step of messages that lie in one page.

    Attributes:
        first: the first sequence of the range.
        last: the last one, inclusive.
        state: the state that the messages came to.
        mask: which messages of the range, as bits of the page; None for all of them.
        batch: the batch that the step belongs to, if any.
        detail: what people are told besides, as JSON has it; bytes become hex.
        open_only: whether it tells of the open messages alone: those that are final when it is written are
            left out. So are the steps that took time or that a provider tells of, because somebody else may
            have delivered a message meanwhile. The journal does not keep this.
    """

    lane: LaneRow
    first: int
    last: int
    state: DeliveryState
    at: Micros
    mask: int | None = None
    batch: BatchRow | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    open_only: bool = field(default=False, compare=False)

    @property
    def bits(self) -> int:
        """The messages, as bits of the page."""
        bits = range_mask(self.first, self.last)
        return bits if self.mask is None else bits & self.mask

    @property
    def page(self) -> int:
        """The page that the range lies in."""
        return self.first >> PAGE_BITS

    def tells_of(self, sequence: int) -> bool:
        """Return whether this was a step of the message with this sequence."""
        if not self.first <= sequence <= self.last:
            return False
        return self.mask is None or bool(self.mask >> (sequence & 0xFF) & 1)


@dataclass(frozen=True, slots=True)
class StoredProof:
    """The newest proof of a page's head.

    Attributes:
        last: the sequence that the proven head ends with; the proof covers the page up to it.
        head: the proven head, 32 bytes.
        height: the block whose header proves it.
        timestamp: that header's time, in seconds.
        proof: the bytes that the destination's light client takes.
    """

    lane: LaneRow
    page: int
    last: int
    head: bytes
    height: int
    timestamp: int
    proof: bytes


@dataclass(frozen=True, slots=True)
class StoredPage:
    """The messages of a page that nothing more happens to.

    Attributes:
        delivered: the messages whose bits are proven to be set.
        expired: the messages that are proven to be past their deadline, with their bits clear.
        height: the block of the destination whose header proved it.
    """

    lane: LaneRow
    page: int
    delivered: int
    expired: int
    height: int


@dataclass(frozen=True, slots=True)
class StoredWait:
    """Why one message waits.

    Attributes:
        since: since when it waits for this.
        attempts: how often its delivery was tried.
        not_before: when it is tried again at the earliest.
    """

    lane: LaneRow
    sequence: int
    waiting: Waiting
    since: Micros
    attempts: int
    not_before: Micros


@dataclass(frozen=True, slots=True)
class SignedAttempt:
    """One signature for a nonce.

    Attributes:
        tx_hash: the transaction's hash, 32 bytes.
        raw: the bytes that are broadcast.
        gas: the gas limit that it asks for.
        max_fee_wei: the most that it pays for a unit of gas.
        priority_fee_wei: the part of that which goes to the block's maker.
        at: when it was signed.
        is_cancellation: whether it is an empty transfer that only uses the nonce up.
    """

    tx_hash: bytes
    raw: bytes
    gas: int
    max_fee_wei: int
    priority_fee_wei: int
    at: Micros
    is_cancellation: bool = False


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """The full messages that one deliver transaction carries.

    Attributes:
        first: the first sequence that it carries.
        last: the last one.
        mask: which messages between them, as bits of the page.
        proof_height: the block of the source whose header the batch's proof refers to.
    """

    row: BatchRow
    lane: LaneRow
    page: int
    first: int
    last: int
    mask: int
    proof_height: int
    transaction: TransactionRow

    def numbered(self, row: BatchRow) -> StoredBatch:
        """Return the same batch with the row that the journal gave it."""
        return replace(self, row=row)


@dataclass(frozen=True, slots=True)
class StoredTransaction:
    """An account's use of a nonce.

    Attributes:
        attempts: the signatures made for the nonce, oldest first.
        included_hash: the hash of the signature that a provider shows in a block, with `block_number`,
            `block_hash`, `succeeded`, `gas_used` and `fee_wei` from its receipt; None before.
        wasted_gas: the part of `gas_used` that moved nothing.
        waiting: why it is in no block yet, where that is known.
    """

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
    waiting: Waiting | None = None


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

    `delivered_by` is the transaction of ours that a provider showed as included and that carried the message,
    where the message counts as delivered. Another relayer's may have executed it a block earlier: the receipt
    tells.
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
    """A message that waits, with its reason (INV-10).

    Attributes:
        source: the name of the chain that it comes from.
        destination: the name of the chain that it goes to.
        since: when it came to its state.
    """

    lane: LaneRow
    source: str
    destination: str
    sequence: int
    leaf: MessageId
    state: DeliveryState
    since: Micros
    waiting: Waiting


#: What a message waits for when neither it nor its lane has a reason of its own, by its state.
DEFAULT_WAITING: Final[Mapping[DeliveryState, Waiting]] = {
    DeliveryState.OBSERVED: Waiting(WaitingReason.FINALITY, "a verified header of the source that covers it"),
    DeliveryState.VERIFIED: Waiting(WaitingReason.FINALITY, "a proof of its page"),
    DeliveryState.PROVEN: Waiting(WaitingReason.BATCH, "company, or its turn in the daemon's queue"),
    DeliveryState.SUBMITTED: Waiting(
        WaitingReason.INCLUSION, "its transaction is signed, and in no block yet"
    ),
    DeliveryState.INCLUDED: Waiting(
        WaitingReason.FINALITY, "a verified header of the destination that proves its bit"
    ),
    DeliveryState.FAILED: Waiting(WaitingReason.RECIPIENT_REVERTS),
    DeliveryState.REFUSED: Waiting(WaitingReason.FEE_POLICY),
}
