# SPDX-License-Identifier: MIT
"""Identifiers of endpoints and lanes, and the storage slots that proofs refer to (wire-formats §1 and §3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from functools import lru_cache
from typing import Final

from light_clients.hashing import keccak256
from relayer.errors import Malformed
from relayer.protocol.message import PAGE_BITS, EndpointId, LaneId, MessageId, next_head

#: The first word of what is hashed: a lane whose terms have another form can't have the same id.
LANE_VERSION: Final = 1
PUBLIC_CHANNEL: Final = bytes(32)

_WORD: Final = 32


class LaneFlags(IntFlag):
    """Bits of a lane's flags. The contracts serve NONE alone; the others are reserved by the wire format."""

    NONE = 0
    ORDERED = 1
    FEES = 2


@dataclass(frozen=True, slots=True)
class Lane:
    """One direction between two endpoints, on a channel of 32 bytes.

    Zero is the public lane that all share.
    """

    source: EndpointId
    destination: EndpointId
    channel: bytes = PUBLIC_CHANNEL
    flags: int = 0
    id: LaneId = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive the id. Raises Malformed when a part has the wrong size."""
        object.__setattr__(self, "id", lane_id(self.source, self.destination, self.channel, self.flags))

    @property
    def is_public(self) -> bool:
        """Whether the batch codec names this lane in one byte."""
        return self.flags == 0 and self.channel == PUBLIC_CHANNEL


def endpoint_id(gateway: bytes, genesis_hash: bytes) -> EndpointId:
    """Return the id of an endpoint.

    `gateway` is canonical ERC-7930 bytes, `genesis_hash` has 32 bytes. Raises Malformed.
    """
    _check_word("genesis hash", genesis_hash)
    # Pilot chains reset, and reuse chain ids, keys and addresses. The genesis hash tells a reset chain apart.
    padding = bytes(-len(gateway) % _WORD)
    # abi.encode puts bytes behind the fixed words, and in their place the offset to them, two words.
    head = (2 * _WORD).to_bytes(_WORD) + genesis_hash
    return EndpointId(keccak256(head + len(gateway).to_bytes(_WORD) + gateway + padding))


def lane_id(
    source: EndpointId, destination: EndpointId, channel: bytes = PUBLIC_CHANNEL, flags: int = 0
) -> LaneId:
    """Return the id of a lane.

    Raises:
        Malformed: an endpoint id or the channel is not 32 bytes, or `flags` is no byte.
    """
    _check_word("source endpoint id", source)
    _check_word("destination endpoint id", destination)
    _check_word("channel", channel)
    if not 0 <= flags <= 0xFF:
        raise Malformed(f"lane flags {flags}", "0..255")
    words = (LANE_VERSION.to_bytes(_WORD), source, destination, channel, flags.to_bytes(_WORD))
    return LaneId(keccak256(b"".join(words)))


def erc7201_base(namespace: str) -> bytes:
    """Return the first storage slot (32 bytes) of an ERC-7201 namespace."""
    inner = int.from_bytes(keccak256(namespace.encode())) - 1
    return keccak256(inner.to_bytes(_WORD))[:-1] + b"\0"


HEADS_BASE: Final = erc7201_base("postroad.outbox.heads")
DELIVERED_BASE: Final = erc7201_base("postroad.inbox.delivered")
#: Reserved: no contract writes it yet.
EXPIRED_BASE: Final = erc7201_base("postroad.outbox.expired")


# At every header the slots of the same lanes are asked for.
@lru_cache(maxsize=4096)
def _lane_base(lane: LaneId, base: bytes) -> bytes:
    _check_word("lane id", lane)
    return keccak256(lane + base)


def _page_slot(lane: LaneId, page: int, base: bytes) -> bytes:
    return keccak256(page.to_bytes(_WORD) + _lane_base(lane, base))


def heads_slot(lane: LaneId, page: int) -> bytes:
    """Return the slot in which the source's gateway keeps the head of a page's newest message."""
    return _page_slot(lane, page, HEADS_BASE)


def delivered_slot(lane: LaneId, page: int) -> bytes:
    """Return the slot in which the destination's gateway keeps a page's delivered bitmap."""
    return _page_slot(lane, page, DELIVERED_BASE)


def expired_slot(lane: LaneId, page: int) -> bytes:
    """Return the slot that is reserved for a page's bits of expired messages (wire-formats §3)."""
    return _page_slot(lane, page, EXPIRED_BASE)


def page_of(sequence: int) -> int:
    """Return the page of 256 messages that a sequence lies in."""
    return sequence >> PAGE_BITS


def bit_of(sequence: int) -> int:
    """Return the mask with a sequence's bit in its page's bitmap."""
    return 1 << (sequence & ((1 << PAGE_BITS) - 1))


def compute_head(previous: bytes, leaves: tuple[MessageId, ...]) -> bytes:
    """Return the running head after several leaves."""
    head = previous
    for leaf in leaves:
        head = next_head(head, leaf)
    return head


def _check_word(name: str, value: bytes) -> None:
    if len(value) != _WORD:
        raise Malformed(f"{name} of {len(value)} bytes", f"{_WORD} bytes")
