# SPDX-License-Identifier: MIT
"""A reference RLP encoder, so that the one under test is not its own judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Item: TypeAlias = "bytes | Sequence[Item]"


def header(offset: int, length: int) -> bytes:
    if length <= 55:
        return bytes([offset + length])
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([offset + 55 + len(size)]) + size


def encode(item: Item) -> bytes:
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] <= 0x7F:
            return item
        return header(0x80, len(item)) + item
    payload = b"".join(encode(part) for part in item)
    return header(0xC0, len(payload)) + payload


def integer(number: int) -> bytes:
    """The payload of an integer's string."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
