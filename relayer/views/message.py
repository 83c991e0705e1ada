# SPDX-License-Identifier: MIT
"""A message, by itself and as a search finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from relayer.journal.rows import MICROS_PER_S
from relayer.protocol.delivery import DeliveryState, Waiting

if TYPE_CHECKING:
    from relayer.chains.base import SentMessage
    from relayer.journal.rows import StoredMessage
    from relayer.journal.search import FoundMessage


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """A message, of which its id is the hash.

    Attributes:
        id: 32 bytes, its name everywhere.
        source: the configured name of the chain that sent it.
        destination: the configured name of the chain that it goes to.
        lane: the id of its lane, 32 bytes.
        sequence: its place in its lane, from 0.
        sender: 20 bytes on the source.
        recipient: 20 bytes on the destination.
        payload: what the recipient is given.
        gas_limit: what the recipient gets at least, in gas.
        deadline: the destination's time after which it is not executed, in seconds since 1970; 0 for never.
        tx_hash: the transaction on the source that sent it.
        block: that transaction's block.
    """

    id: bytes
    source: str
    destination: str
    lane: bytes
    sequence: int
    sender: bytes
    recipient: bytes
    payload: bytes
    gas_limit: int
    deadline: int
    tx_hash: bytes
    block: int


class FoundMessageView(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a search of the journal finds it.

    Attributes:
        id: 32 bytes.
        source: the configured name of the chain that sent it.
        destination: the configured name of the chain that it goes to.
        lane: the id of its lane, 32 bytes.
        sequence: its place in its lane, from 0.
        sender: 20 bytes on the source.
        recipient: 20 bytes on the destination.
        payload_bytes: how long the payload is.
        gas_limit: what the recipient gets at least, in gas.
        deadline: the destination's time after which it is not executed, in seconds since 1970; 0 for never.
        tx_hash: the transaction on the source that sent it.
        block: that transaction's block.
        at: when the relayer saw it first, seconds since 1970; 0 where an older journal does not say.
        state: where it stands.
        waiting: what it waits for; None once nothing more can happen.
    """

    id: bytes
    source: str
    destination: str
    lane: bytes
    sequence: int
    sender: bytes
    recipient: bytes
    payload_bytes: int
    gas_limit: int
    deadline: int
    tx_hash: bytes
    block: int
    at: float
    state: DeliveryState
    waiting: Waiting | None


class FoundMessagesView(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of what a search finds, the newest first.

    `next` is the cursor of the next piece; None after the last one. A piece can be empty and not the last.
    """

    messages: tuple[FoundMessageView, ...]
    next: str | None


def message_view(sent: SentMessage | StoredMessage, source: str, destination: str) -> MessageView:
    """Return the view of a message by what the logs of its source tell, or what the journal has of them, and
    by the configured names of its chains.
    """
    message = sent.message
    return MessageView(
        id=message.id,
        source=source,
        destination=destination,
        lane=message.lane_id,
        sequence=message.sequence,
        # The leaf has EVM accounts left-padded to 32 bytes.
        sender=message.sender[12:],
        recipient=message.recipient[12:],
        payload=message.payload,
        gas_limit=message.gas_limit,
        deadline=message.deadline,
        tx_hash=sent.tx_hash,
        block=sent.block_number,
    )


def found_message_view(found: FoundMessage) -> FoundMessageView:
    """Return the view of a message that a search has found."""
    return FoundMessageView(
        id=found.message_id,
        source=found.source,
        destination=found.destination,
        lane=found.lane_id,
        sequence=found.sequence,
        sender=found.sender[12:],
        recipient=found.recipient[12:],
        payload_bytes=found.payload_bytes,
        gas_limit=found.gas_limit,
        deadline=found.deadline,
        tx_hash=found.tx_hash,
        block=found.block_number,
        at=found.observed_at / MICROS_PER_S,
        state=found.state,
        waiting=found.waiting,
    )
