# SPDX-License-Identifier: MIT
"""Proof that a message was executed, as the library hands it out."""

from __future__ import annotations

from dataclasses import dataclass, field

from light_clients.client import Height, Timestamp
from relayer.consensus.base import VerifiedHeader
from relayer.protocol.message import LaneId, MessageId
from relayer.views.delivery import DeliveryView, ReceiptView


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a message was executed with success: its bit, proven by a light client of the destination.

    Anyone with the same trusted state can verify `proof` again. When the message was executed is another
    matter: the header is the newest final one when the receipt was asked for, and `delivery` tells the block
    that executed the message.

    Attributes:
        message_id: the message.
        lane_id: its lane.
        sequence: its place in the lane.
        word: the delivered bitmap of its page, 32 bytes.
        header: the verified header of the destination that `proof` leads to.
        proof: bytes for the destination's light client.
        delivery: the transaction that executed the message, by hearsay (its `told_by` and `is_checked` say
            whose); None where it could not be found.
    """

    message_id: MessageId
    lane_id: LaneId
    sequence: int
    word: bytes
    header: VerifiedHeader
    proof: bytes = field(repr=False)
    delivery: DeliveryView | None = None

    @property
    def height(self) -> Height:
        """The destination's block under which the bit was proven."""
        return self.header.number

    @property
    def timestamp(self) -> Timestamp:
        """That block's time, in seconds."""
        return self.header.timestamp

    def __repr__(self) -> str:
        # Its bytes would fill a screen.
        by = "" if self.delivery is None else f", executed by 0x{self.delivery.tx_hash.hex()}"
        return (
            f"Receipt(0x{self.message_id.hex()}, sequence {self.sequence}{by}, proven at block {self.height})"
        )

    def view(self) -> ReceiptView:
        """Return the receipt as it is shown, with a JSON form."""
        return ReceiptView(
            height=self.height,
            timestamp=self.timestamp,
            block_hash=self.header.hash,
            state_root=self.header.state_root,
            word=self.word,
            proof=self.proof,
            delivery=self.delivery,
        )
