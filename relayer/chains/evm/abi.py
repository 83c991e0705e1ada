# SPDX-License-Identifier: MIT
"""Selectors, topics, calls and answers of our contracts, written out by hand: no ABI library in the hot path.

What comes back from a chain is hostile: every decoder checks every length and raises RpcAnswerInvalid.
"""

from __future__ import annotations

from typing import Final

from light_clients.client import Status
from light_clients.hashing import keccak256
from relayer.chains.base import Address, LaneState, RemoteState, SimulatedDelivery
from relayer.errors import RpcAnswerInvalid

_WORD: Final = 32
_OUTCOME_ALREADY_DELIVERED: Final = 1


def selector(signature: str) -> bytes:
    """Return the four bytes that a call, an error or an attribute starts with."""
    return keccak256(signature.encode())[:4]


def topic(signature: str) -> bytes:
    """Return the first topic of an event, 32 bytes."""
    return keccak256(signature.encode())


DELIVER: Final = selector("deliver(bytes,bytes)")
RECEIVE_MESSAGE: Final = selector("receiveMessage(bytes32,bytes,bytes)")
SEND_MESSAGE: Final = selector("sendMessage(bytes,bytes,bytes[])")
OUTBOUND_LANE: Final = selector("outboundLane(bytes32)")
REMOTE: Final = selector("remote(bytes32)")
DELIVERED_BITMAP: Final = selector("delivered(bytes32,uint256)")
ENDPOINT_ID: Final = selector("endpointId()")

CLIENT_STATUS: Final = selector("status()")
CLIENT_TRUSTED_STATE: Final = selector("trustedState()")
CLIENT_TRUSTING_PERIOD: Final = selector("trustingPeriod()")
CLIENT_MAX_CLOCK_DRIFT: Final = selector("maxClockDrift()")
CLIENT_PARAMETERS: Final = selector("parameters()")
CLIENT_KINDS: Final = selector("kinds()")
CLIENT_UPDATE: Final = selector("update(bytes)")
CLIENT_ANCHOR: Final = selector("anchor(bytes)")
CLIENT_ANCHORED: Final = selector("anchored()")
CLIENT_FREEZE: Final = selector("freeze(bytes)")

MIN_GAS_LIMIT: Final = selector("minGasLimit(uint256)")
DEADLINE: Final = selector("deadline(uint64)")
CHANNEL: Final = selector("channel(bytes32)")

MESSAGE_SENT: Final = topic("MessageSent(bytes32,bytes,bytes,bytes,uint256,bytes[])")
MESSAGE_APPENDED: Final = topic("MessageAppended(bytes32,uint64,bytes32)")
LANE_LIMITED: Final = topic("LaneLimited(bytes32,(uint32,uint32,uint32))")
DELIVERED: Final = topic("Delivered(bytes32,uint64,uint256,uint256)")
MESSAGE_FAILED: Final = topic("MessageFailed(bytes32,bytes)")
MESSAGE_EXPIRED: Final = topic("MessageExpired(bytes32)")


def encode_word(value: int) -> bytes:
    """Encode an unsigned integer as one word of 32 bytes."""
    return value.to_bytes(_WORD)


def encode_bytes(*values: bytes) -> bytes:
    """Encode the arguments of a function that takes nothing but `bytes`."""
    head = bytearray()
    tail = bytearray()
    for value in values:
        head += encode_word(_WORD * len(values) + len(tail))
        tail += encode_word(len(value)) + value + bytes(-len(value) % _WORD)
    return bytes(head + tail)


def encode_deliver(batch: bytes, proof: bytes) -> bytes:
    """Return the calldata of `deliver(bytes batch, bytes proof)`."""
    return DELIVER + encode_bytes(batch, proof)


def encode_send_message(recipient: bytes, payload: bytes, attributes: tuple[bytes, ...]) -> bytes:
    """Return the calldata of ERC-7786's `sendMessage`; `recipient` is ERC-7930 bytes."""
    first, second = _padded(recipient), _padded(payload)
    heads = encode_word(96) + encode_word(96 + len(first)) + encode_word(96 + len(first) + len(second))
    return SEND_MESSAGE + heads + first + second + _encode_bytes_array(attributes)


def encode_receive_message(message_id: bytes, sender: bytes, payload: bytes) -> bytes:
    """Return the calldata of ERC-7786's `receiveMessage`; `sender` is ERC-7930 bytes."""
    first, second = _padded(sender), _padded(payload)
    heads = message_id + encode_word(96) + encode_word(96 + len(first))
    return RECEIVE_MESSAGE + heads + first + second


def encode_attributes(
    *, gas_limit: int | None = None, deadline: int | None = None, channel: bytes | None = None
) -> tuple[bytes, ...]:
    """Encode those attributes of our Outbox that are given: selector, then one word.

    `gas_limit` is in gas, `deadline` in seconds of the destination's clock, `channel` 32 bytes.
    """
    attributes = []
    if gas_limit is not None:
        attributes.append(MIN_GAS_LIMIT + encode_word(gas_limit))
    if deadline is not None:
        attributes.append(DEADLINE + encode_word(deadline))
    if channel is not None:
        attributes.append(CHANNEL + channel)
    return tuple(attributes)


def _encode_bytes_array(values: tuple[bytes, ...]) -> bytes:
    heads = bytearray()
    tail = bytearray()
    for value in values:
        heads += encode_word(_WORD * len(values) + len(tail))
        tail += _padded(value)
    return bytes(encode_word(len(values)) + heads + tail)


def _padded(value: bytes) -> bytes:
    return encode_word(len(value)) + value + bytes(-len(value) % _WORD)


def decode_words(data: bytes, count: int, what: str) -> list[int]:
    """Return the first `count` words of an answer as numbers.

    Raises RpcAnswerInvalid when there are fewer.
    """
    if len(data) < _WORD * count:
        raise RpcAnswerInvalid(
            f"{what} of {len(data)} bytes",
            f"at least {_WORD * count}",
            "Is the configured address the right contract?",
        )
    return [int.from_bytes(data[at : at + _WORD]) for at in range(0, _WORD * count, _WORD)]


def decode_bool(word: int, what: str) -> bool:
    """Decode a Solidity bool. Raises RpcAnswerInvalid for any word but 0 and 1."""
    if word > 1:
        raise RpcAnswerInvalid(f"{what} {word}", "0 or 1")
    return word == 1


def decode_address(word: int, what: str) -> Address:
    """Decode a Solidity address. Raises RpcAnswerInvalid when more than 20 bytes are set."""
    if word >> 160:
        raise RpcAnswerInvalid(f"{what} 0x{word:x}", "an address")
    return Address(word.to_bytes(20))


def decode_lane(data: bytes) -> LaneState:
    """Decode the answer of `outboundLane`."""
    words = decode_words(data, 7, "outboundLane's answer")
    return LaneState(words[0], decode_bool(words[1], "open"), decode_bool(words[2], "paused"))


def decode_default_gas_limit(data: bytes) -> int:
    """Return the lane's default gas limit, which the answer of `outboundLane` holds."""
    return decode_words(data, 7, "outboundLane's answer")[4]


def decode_remote(data: bytes) -> RemoteState | None:
    """Decode the answer of `remote`; None when the gateway knows no such endpoint."""
    # A struct with a member of variable length, here the chain's ERC-7930 bytes, comes behind its own offset.
    if decode_words(data, 8, "remote's answer")[0] != _WORD:
        raise RpcAnswerInvalid("remote's answer with an unusual offset", "32")
    client, gateway, _, paused, retired, succeeded, last_height = decode_words(
        data[_WORD:], 7, "remote's answer"
    )
    if client == 0:
        return None
    return RemoteState(
        decode_address(client, "client"),
        decode_address(gateway, "gateway"),
        decode_bool(paused, "paused"),
        decode_bool(retired, "retired"),
        decode_bool(succeeded, "succeeded"),
        last_height,
    )


def decode_simulated(data: bytes) -> SimulatedDelivery:
    """Decode the answer of `deliver`."""
    outcome, executed, failed, expired = decode_words(data, 4, "deliver's answer")
    if outcome > _OUTCOME_ALREADY_DELIVERED:
        raise RpcAnswerInvalid(f"deliver's outcome {outcome}", "0 or 1")
    return SimulatedDelivery(outcome == _OUTCOME_ALREADY_DELIVERED, executed, failed, expired)


def decode_status(data: bytes) -> Status:
    """Decode the answer of `status` of a light client."""
    word = decode_words(data, 1, "status's answer")[0]
    if word > max(Status):
        raise RpcAnswerInvalid(f"status {word}", f"0 to {max(Status)}")
    return Status(word)
