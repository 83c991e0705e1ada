# SPDX-License-Identifier: MIT
"""Whether a message was sent, by evidence alone: a file that anybody may have written, and a light client.

The file is what `GET /v1/messages/{id}/proof` gives (docs/reference/api.md). Nothing of it is believed: its
fields must hash to the message's id, its ids to a head, and the head must stand in the storage of the
configured gateway, under a header that a light client of the source accepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from light_clients.client import Height, LightClient, Timestamp
from relayer.errors import Malformed, PostroadError
from relayer.protocol.lane import Lane, compute_head, heads_slot
from relayer.protocol.message import LaneId, Message, MessageId, Sequence

#: A page of a lane has so many messages, and none after itself has more.
_MOST_LATER: Final = 256
_BYTES: Final = "^0x([0-9a-f]{2})*$"

_Data = Annotated[str, msgspec.Meta(pattern=_BYTES)]
_Word = Annotated[str, msgspec.Meta(pattern=_BYTES, min_length=66, max_length=66)]
_Account = Annotated[str, msgspec.Meta(pattern=_BYTES, min_length=42, max_length=42)]
_Number = Annotated[int, msgspec.Meta(ge=0)]


class EvidenceRefused(PostroadError):  # noqa: N818  as in relayer.errors
    """Evidence that does not prove what it says."""


class SentEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A message, and what proves that it was sent; relayer.views has the same as MessageView and
    MessageProofView.
    """

    id: _Word
    source: str
    destination: str
    lane: _Word
    sequence: _Number
    sender: _Account
    recipient: _Account
    payload: _Data
    gas_limit: _Number
    deadline: _Number
    fee_wei: _Number
    gateway: _Account | None
    height: _Number
    timestamp: _Number
    slot: _Word
    head: _Word
    previous_head: _Word
    later: Annotated[tuple[_Word, ...], msgspec.Meta(max_length=_MOST_LATER)]
    proof: _Data

    @property
    def message(self) -> Message:
        """The message by its fields; what its id is follows from them. Raises EvidenceRefused."""
        try:
            return Message(
                lane_id=LaneId(_bytes(self.lane)),
                sequence=Sequence(self.sequence),
                sender=_bytes(self.sender).rjust(32, b"\0"),
                recipient=_bytes(self.recipient).rjust(32, b"\0"),
                gas_limit=self.gas_limit,
                deadline=self.deadline,
                fee_wei=self.fee_wei,
                payload=_bytes(self.payload),
            )
        except (Malformed, ValueError, OverflowError) as error:
            raise EvidenceRefused(f"no message has these fields: {error}", "those of a message") from None


@dataclass(frozen=True, slots=True)
class ProvenSent:
    """What was proven: the message stands in its lane, under a header of the source of this height and
    time.
    """

    message: Message
    height: Height
    timestamp: Timestamp


def read_evidence(data: bytes) -> SentEvidence:
    """Read a file. Raises EvidenceRefused for any that is none."""
    try:
        return msgspec.json.decode(data, type=SentEvidence)
    except (msgspec.DecodeError, RecursionError) as error:
        raise EvidenceRefused(
            f"no evidence: {error}", "what GET /v1/messages/ID/proof of a relayer's API gives"
        ) from None


def check_evidence(
    evidence: SentEvidence, lane: Lane, gateway: bytes, client: LightClient, now: Timestamp
) -> ProvenSent:
    """Return what the evidence proves.

    Args:
        evidence: as it was read.
        lane: that the message has to stand in.
        gateway: the source's, 20 bytes, as whoever asks knows it.
        client: a light client of the source.
        now: in seconds, for the client.

    Raises:
        EvidenceRefused: it proves something else, or nothing.
        Rejection: the light client does not believe it.
    """
    message = evidence.message
    _require(
        message.id == MessageId(_bytes(evidence.id)), f"fields that hash to 0x{message.id.hex()}", evidence.id
    )
    _require(
        message.lane_id == lane.id,
        f"a message of lane 0x{message.lane_id.hex()}",
        f"0x{lane.id.hex()}, the lane between the configured gateways",
    )
    _require(
        evidence.gateway is None or _bytes(evidence.gateway) == gateway,
        f"a proof of the contract {evidence.gateway}",
        f"the configured gateway, 0x{gateway.hex()}",
    )
    slot = heads_slot(message.lane_id, message.page)
    _require(
        _bytes(evidence.slot) == slot, f"the slot {evidence.slot}", f"0x{slot.hex()}, of the message's page"
    )
    leaves = (message.id, *(MessageId(_bytes(leaf)) for leaf in evidence.later))
    head = compute_head(_bytes(evidence.previous_head), leaves)
    _require(head == _bytes(evidence.head), f"messages that lead to the head 0x{head.hex()}", evidence.head)
    found = client.storage_at(_bytes(evidence.proof), gateway, slot, now)
    _require(found.value == head, f"a proof of the head 0x{found.value.hex()}", evidence.head)
    return ProvenSent(message, found.height, found.timestamp)


def _require(is_so: bool, found: str, expected: str) -> None:
    if not is_so:
        raise EvidenceRefused(found, expected, "Nothing is proven by this file.")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
