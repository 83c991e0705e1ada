"""A message and its leaf (docs/reference/wire-formats.md §2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NewType

from light_clients.hashing import keccak256

LaneId = NewType("LaneId", bytes)
MessageId = NewType("MessageId", bytes)
Sequence = NewType("Sequence", int)
EndpointId = NewType("EndpointId", bytes)

LEAF_VERSION = 1
PAGE_BITS = 8
PAGE_SIZE = 1 << PAGE_BITS
ZERO_HEAD = bytes(32)


@dataclass(frozen=True)
class Message:
    """One message of a lane, as its leaf commits to it.

    `sender` and `recipient` are chain-local addresses left-padded to 32 bytes, `gas_limit` is in gas, `deadline` in
    seconds of the destination's time (0 = never), `fee_wei` in the source's smallest unit.
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
        """The leaf, which is the message's name everywhere."""
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
    """The lane's running head after a leaf."""
    return keccak256(previous + leaf)
