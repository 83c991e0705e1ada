# SPDX-License-Identifier: MIT
"""What proves that a message was sent, to be verified by anybody who has a light client of its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from relayer.protocol.lane import heads_slot

if TYPE_CHECKING:
    from relayer.journal.rows import StoredMessage, StoredProof


class MessageProofView(msgspec.Struct, frozen=True, kw_only=True):
    """The way from a header of the source to a message's id (docs/reference/wire-formats.md, 2, 3, and the
    section of the source's kind).

    `proof` proves `head` in the slot `slot` of the gateway to a light client of the source. The lane's
    running head `previous_head`, hashed with the message's id and then with each of `later`, is that head:
    `head = keccak256(head ‖ id)` for one id after the other.

    Attributes:
        id: the message, 32 bytes: the hash of its fields, which MessageView has.
        fee_wei: the one field that it has not.
        lane: the id of its lane, 32 bytes.
        sequence: its place in the lane.
        gateway: the contract on the source, 20 bytes; None where the chain is not served any more.
        height: the source's block whose header the light client verified.
        timestamp: that block's time in seconds.
        slot: where the gateway keeps the head of the message's page, 32 bytes.
        head: what stands there, 32 bytes.
        previous_head: the running head before the message, 32 bytes.
        later: the ids of the page's messages after this one, to the one that `head` ends with.
        proof: the argument of the light client's `storageAt`: the storage proof, and what proves its header
            where the kind's proofs have that.
    """

    id: bytes
    fee_wei: int
    lane: bytes
    sequence: int
    gateway: bytes | None
    height: int
    timestamp: int
    slot: bytes
    head: bytes
    previous_head: bytes
    later: tuple[bytes, ...]
    proof: bytes


class VerifiedView(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was proven to have been sent, by a light client that trusts the configured bootstrap.

    Attributes:
        id: the message, 32 bytes.
        source: the configured name of the chain that sent it.
        destination: the configured name of the chain that it goes to.
        height: the source's block whose header the light client accepts.
        timestamp: that block's time in seconds.
    """

    id: bytes
    source: str
    destination: str
    height: int
    timestamp: int


def message_proof_view(
    stored: StoredMessage,
    proof: StoredProof,
    *,
    previous_head: bytes,
    later: Sequence[StoredMessage],
    gateway: bytes | None,
) -> MessageProofView:
    """Return the view of a proven message by the proof of its page and by its neighbours in the lane."""
    message = stored.message
    return MessageProofView(
        id=stored.leaf,
        fee_wei=message.fee_wei,
        lane=message.lane_id,
        sequence=message.sequence,
        gateway=gateway,
        height=proof.height,
        timestamp=proof.timestamp,
        slot=heads_slot(message.lane_id, message.page),
        head=proof.head,
        previous_head=previous_head,
        later=tuple(known.leaf for known in later),
        proof=proof.proof,
    )
