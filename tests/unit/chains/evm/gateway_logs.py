# SPDX-License-Identifier: MIT
"""Logs as the gateway emits them, as JSON-RPC gives them."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode

from relayer.chains.evm import abi
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.message import LaneId, Message, Sequence

GATEWAY = b"\x42" * 20
CHAIN_PART = InteropAddress.evm(1337).chain_part
SENDER = b"\x11" * 20
RECIPIENT = b"\x22" * 20
LANE = LaneId(b"\xcc" * 32)


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


def to_log(topics: list[bytes], data: bytes, index: int, block: int = 7, **changes: Any) -> dict[str, Any]:
    return {
        "address": hexed(GATEWAY),
        "topics": [hexed(topic) for topic in topics],
        "data": hexed(data),
        "blockNumber": hex(block),
        "blockHash": hexed(b"\xb0" * 32),
        "transactionHash": hexed(b"\x70" * 31 + bytes([index // 2 % 256])),
        "transactionIndex": "0x0",
        "logIndex": hex(index),
        "removed": False,
        **changes,
    }


def message_of(
    sequence: int, gas_limit: int = 200_000, deadline: int = 0, payload: bytes = b"hello"
) -> Message:
    return Message(
        LANE,
        Sequence(sequence),
        SENDER.rjust(32, b"\0"),
        RECIPIENT.rjust(32, b"\0"),
        gas_limit,
        deadline,
        0,
        payload,
    )


def pair(
    message: Message, attributes: tuple[bytes, ...] = (), index: int = 0, block: int = 7
) -> list[dict[str, Any]]:
    sender = InteropAddress.evm(1337, SENDER).to_bytes()
    recipient = InteropAddress.evm(1338, RECIPIENT).to_bytes()
    data = encode(
        ["bytes", "bytes", "bytes", "uint256", "bytes[]"],
        [sender, recipient, message.payload, 0, attributes],
    )
    appended = [abi.MESSAGE_APPENDED, LANE, abi.encode_word(message.sequence), message.id]
    return [
        to_log([abi.MESSAGE_SENT, message.id], data, index, block),
        to_log(appended, b"", index + 1, block),
    ]
