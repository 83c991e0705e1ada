# SPDX-License-Identifier: MIT
"""Values to take views of."""

from __future__ import annotations

from light_clients.client import Height, Timestamp
from relayer.chains.base import SentMessage, TxHash, TxReceipt
from relayer.consensus.base import VerifiedHeader
from relayer.journal.rows import LaneRow, Micros, StoredMessage, StoredStep, StoredStory
from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import EndpointId, Message, Sequence

LANE = Lane(EndpointId(b"a" * 32), EndpointId(b"b" * 32))
MESSAGE = Message(
    lane_id=LANE.id,
    sequence=Sequence(7),
    sender=(b"\x51" * 20).rjust(32, b"\0"),
    recipient=(b"\x52" * 20).rjust(32, b"\0"),
    gas_limit=200_000,
    deadline=0,
    fee_wei=0,
    payload=b"\x00\xff",
)
SENT = SentMessage(MESSAGE, MESSAGE.id, Height(12), b"h" * 32, TxHash(b"t" * 32), 3)
HEADER = VerifiedHeader(Height(50), b"H" * 32, Timestamp(1_900), b"R" * 32)
STORY = StoredStory(
    stored=StoredMessage(LaneRow(1), MESSAGE, MESSAGE.id, bytes(32), 12, b"h" * 32, b"t" * 32, 3),
    source="court",
    destination="port",
    steps=(
        StoredStep(DeliveryState.OBSERVED, Micros(1_500_000), {"blocks": [12, 12]}),
        StoredStep(DeliveryState.SUBMITTED, Micros(2_000_000), {"nonce": 1}, b"d" * 32),
    ),
    state=DeliveryState.SUBMITTED,
    waiting=Waiting(WaitingReason.INCLUSION, "its transaction is signed, and in no block yet"),
    proof=None,
)


def make_receipt(tx_hash: bytes = b"d" * 32) -> TxReceipt:
    return TxReceipt(TxHash(tx_hash), Height(40), b"B" * 32, True, 90_000, 7, (), ())
