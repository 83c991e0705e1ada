# SPDX-License-Identifier: MIT
"""A message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from relayer.chains.base import SentMessage


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


def message_view(sent: SentMessage, source: str, destination: str) -> MessageView:
    """Return the view of a message by what the logs of its source tell, and by the configured names of its
    chains.
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
