# SPDX-License-Identifier: MIT
"""A message's delivery: which transaction made it, and what proves it. The two are told apart.

Only the proof is certain: a light client of the destination has verified the header, and a storage proof
under it shows the message's bit. Which transaction set the bit is hearsay, from a relayer's journal or from a
provider's logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from relayer.consensus.base import VerifiedHeader
    from relayer.journal.rows import StoredStory


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """The transaction that executed a message, by hearsay.

    Attributes:
        tx_hash: 32 bytes, on the destination.
        block: its block there; None where nobody could tell.
        timestamp: that block's time in seconds; None where nobody could tell.
        told_by: `journal` where a relayer of ours sent it, `logs` where the inbox's `Delivered` event was
            found.
        is_checked: whether the transaction's receipt shows that it executed this message.
    """

    tx_hash: bytes
    block: int | None
    timestamp: int | None
    told_by: Literal["journal", "logs"]
    is_checked: bool


class ProvenView(msgspec.Struct, frozen=True, kw_only=True):
    """What a light client of the destination proves of a message now.

    Attributes:
        height: the block whose header was verified, the newest final one when it was asked for.
        timestamp: that header's time in seconds.
        is_delivered: whether the message's bit is set in that state.
    """

    height: int
    timestamp: int
    is_delivered: bool


class ReceiptView(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a message was executed with success, and who did it.

    Attributes:
        height: the destination's block under which the bit was proven when the receipt was asked for.
        timestamp: that block's time in seconds.
        block_hash: that block's hash.
        state_root: that block's state root.
        word: the delivered bitmap of the message's page, 32 bytes.
        proof: what leads from the header to the bitmap; anyone with the same trusted state can verify it
            again.
        delivery: the transaction that executed it, by hearsay; None where it could not be found.
    """

    height: int
    timestamp: int
    block_hash: bytes
    state_root: bytes
    word: bytes
    proof: bytes
    delivery: DeliveryView | None


class HandDeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a delivery by hand.

    Attributes:
        id: the message.
        result: `executed`, `already_delivered`, `failed` or `expired`.
        source_block: the source's block that the message was proven with.
        tx_hash: the transaction; None where none was sent, and so with all that follows.
        block: its block.
        gas_used: its gas.
        fee_wei: what was paid for it.
        reason: what the recipient said, at most 32 bytes; empty where it said nothing.
    """

    id: bytes
    result: str
    source_block: int
    tx_hash: bytes | None
    block: int | None
    gas_used: int | None
    fee_wei: int | None
    reason: bytes


def proven_view(header: VerifiedHeader, *, is_delivered: bool) -> ProvenView:
    """Return the view of a proof under a verified header."""
    return ProvenView(height=header.number, timestamp=header.timestamp, is_delivered=is_delivered)


def journal_delivery_view(story: StoredStory) -> DeliveryView | None:
    """Return the view of a delivery by the journal's own relayer, unchecked; None where it made none."""
    transaction = story.delivered_by
    if transaction is None or transaction.included_hash is None:
        return None
    return DeliveryView(
        tx_hash=transaction.included_hash,
        block=transaction.block_number,
        timestamp=None,
        told_by="journal",
        is_checked=False,
    )
