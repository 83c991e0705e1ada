# SPDX-License-Identifier: MIT
"""RLP, strict: every value has one encoding, and only that one is read (yellow paper, appendix B)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from light_clients.errors import EncodingRejected

Item: TypeAlias = "bytes | list[Item]"
Encodable: TypeAlias = "bytes | int | Sequence[Encodable]"

#: How deep lists may nest. Nothing on a chain nests deeper than a handful, and hostile bytes must not exhaust
#: the stack.
MAX_DEPTH: Final = 32

_CANONICAL: Final = "one canonical RLP item"


def encode(item: Encodable) -> bytes:
    """Encode bytes, an integer, or a list of these. An integer is big-endian without leading zeros.

    Raises:
        TypeError: the item is of another type.
        ValueError: an integer is negative.
    """
    if isinstance(item, bytes):
        return encode_bytes(item)
    if isinstance(item, int) and not isinstance(item, bool):
        return encode_int(item)
    if isinstance(item, (list, tuple)):
        return encode_list(b"".join(map(encode, item)))
    raise TypeError(f"found {type(item).__name__}, expected bytes, an integer, or a list of these")


def encode_bytes(data: bytes) -> bytes:
    """Encode bytes as an RLP string."""
    length = len(data)
    if length == 1 and data[0] < 0x80:
        return data
    if length < 56:
        return bytes((0x80 + length,)) + data
    size = (length.bit_length() + 7) >> 3
    return bytes((0xB7 + size,)) + length.to_bytes(size, "big") + data


def encode_int(number: int) -> bytes:
    """Encode an integer as the RLP string of its big-endian bytes without leading zeros; zero is the empty
    string.

    Raises:
        ValueError: it is negative.
    """
    if number < 0:
        raise ValueError(f"found {number}, expected an integer of at least 0")
    return encode_bytes(number.to_bytes((number.bit_length() + 7) >> 3, "big"))


def encode_list(payload: bytes) -> bytes:
    """Encode a list, given the encodings of its items one after the other."""
    length = len(payload)
    if length < 56:
        return bytes((0xC0 + length,)) + payload
    size = (length.bit_length() + 7) >> 3
    return bytes((0xF7 + size,)) + length.to_bytes(size, "big") + payload


def decode(data: bytes) -> Item:
    """Return the item that the bytes encode: bytes, or a list of items.

    Raises:
        EncodingRejected: the bytes are not one canonical item, or nest deeper than `MAX_DEPTH`.
    """
    item, stop = _decode(data, 0, len(data), 0)
    if stop != len(data):
        raise EncodingRejected("bytes are left over", found=data[stop:], expected=_CANONICAL)
    return item


def _decode(data: bytes, pos: int, end: int, depth: int) -> tuple[Item, int]:
    is_list, start, stop = span(data, pos, end)
    if not is_list:
        return data[start:stop], stop
    if depth == MAX_DEPTH:
        raise EncodingRejected("lists nest too deep", found=depth + 1, expected=f"at most {MAX_DEPTH}")
    items: list[Item] = []
    while start < stop:
        item, start = _decode(data, start, stop, depth + 1)
        items.append(item)
    return items, stop


def span(data: bytes, pos: int, end: int) -> tuple[bool, int, int]:
    """Find the payload of the item that begins at `pos` and must not reach beyond `end`.

    Returns:
        Whether the item is a list, and where its payload starts and stops. Only the item's own header is
        checked: the payload of a list is not looked into.

    Raises:
        EncodingRejected: the header is cut short or not canonical, or the payload reaches beyond `end`.
    """
    if pos >= end:
        raise EncodingRejected("an item is missing", found="the end of the bytes", expected=_CANONICAL)
    tag = data[pos]
    if tag < 0x80:
        return False, pos, pos + 1
    is_list = tag >= 0xC0
    short = tag - (0xC0 if is_list else 0x80)
    if short < 56:
        start = pos + 1
        stop = start + short
        if stop <= end and short == 1 and not is_list and data[start] < 0x80:
            raise EncodingRejected(
                "a byte below 0x80 has a length before it", found=data[pos:stop], expected=_CANONICAL
            )
    else:
        start = pos + 1 + short - 55
        if start > end:
            raise EncodingRejected("an item's length is cut short", found=data[pos:end], expected=_CANONICAL)
        length = int.from_bytes(data[pos + 1 : start], "big")
        if length < 56 or data[pos + 1] == 0:
            raise EncodingRejected("a length is not minimal", found=data[pos:start], expected=_CANONICAL)
        stop = start + length
    if stop > end:
        raise EncodingRejected(
            "an item is cut short", found=f"{end - start} bytes", expected=f"{stop - start} bytes"
        )
    return is_list, start, stop


def decode_int(data: bytes, bits: int) -> int:
    """Return the payload of a string as an unsigned integer of at most `bits` bits.

    Raises:
        EncodingRejected: it has a leading zero or is too large.
    """
    if data[:1] == b"\x00":
        raise EncodingRejected("an integer has a leading zero", found=data, expected="the shortest form")
    if len(data) * 8 > bits:
        raise EncodingRejected("an integer is too large", found=data, expected=f"at most {bits} bits")
    return int.from_bytes(data, "big")
