# SPDX-License-Identifier: MIT
"""A message and its leaf (docs/reference/wire-formats.md §2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NewType

from light_clients.hashing import keccak256

LaneId = NewType("LaneId", bytes)
MessageId = NewType("MessageId", bytes)
Sequence = NewType("Sequence", int)
EndpointId = NewType("EndpointId", bytes)

#: The first word of a leaf's preimage: a message whose terms have another form can't have the same leaf.
LEAF_VERSION: Final = 1
#: A page has 256 messages, because its delivered bitmap is one storage word.
PAGE_BITS: Final = 8
PAGE_SIZE: Final = 1 << PAGE_BITS
ZERO_HEAD: Final = bytes(32)


# Without slots, because cached_property keeps its value in the instance's dict.
@dataclass(frozen=True)
class Message:
    """One message of a lane, as its leaf commits to it.

    Attributes:
        lane_id: the lane that the message was sent on, 32 bytes.
        sequence: its place in the lane, from 0.
        sender: the account on the source that sent it, left-padded to 32 bytes.
        recipient: the account on the destination that receives it, left-padded to 32 bytes.
        gas_limit: the least gas that the recipient's call gets.
        deadline: seconds of the destination's time; 0 is never.
        fee_wei: in the source's smallest unit.
        payload: the content.
    """

    lane_id: LaneId
    sequence: Sequence
    sender: bytes
    recipient: bytes
    gas_limit: int
    deadline: int
    fee_wei: int
    payload: bytes

    @cached_property
    def id(self) -> MessageId:
        """The leaf. It is the message's id in contracts, logs and the journal."""
        # 288 bytes, of which the payload is only its hash. A head's preimage has 64, so that neither can
        # stand for the other (ADR 0001).
        words = (
            LEAF_VERSION.to_bytes(32),
            self.lane_id,
            self.sequence.to_bytes(32),
            self.sender,
            self.recipient,
            self.gas_limit.to_bytes(32),
            self.deadline.to_bytes(32),
            self.fee_wei.to_bytes(32),
            keccak256(self.payload),
        )
        return MessageId(keccak256(b"".join(words)))

    @property
    def page(self) -> int:
        """The page of 256 messages that the message lies in."""
        return self.sequence >> PAGE_BITS


def next_head(previous: bytes, leaf: bytes) -> bytes:
    """Return the lane's running head after a leaf: keccak256(previous ‖ leaf)."""
    return keccak256(previous + leaf)
