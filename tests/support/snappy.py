# SPDX-License-Identifier: MIT
"""Raw snappy (no frames), read only: the official vectors are stored in it
(google/snappy, `format_description.txt`).
"""

from __future__ import annotations


def decompress(data: bytes) -> bytes:
    """The bytes that were compressed; ValueError when `data` is not one whole raw snappy block."""
    length, at = _varint(data)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        kind, at = tag & 3, at + 1
        if kind == 0:
            size = tag >> 2
            if size >= 60:
                extra = size - 59
                size = int.from_bytes(data[at : at + extra], "little")
                at += extra
            size += 1
            if at + size > len(data):
                raise ValueError("a literal is cut short")
            out += data[at : at + size]
            at += size
            continue
        if kind == 1:
            size, offset = 4 + (tag >> 2 & 7), (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if kind == 2 else 4
            size, offset = 1 + (tag >> 2), int.from_bytes(data[at : at + width], "little")
            at += width
        if not 0 < offset <= len(out):
            raise ValueError(f"found an offset of {offset}, expected 1 to {len(out)}")
        for _ in range(size):  # a copy may reach into what it writes itself
            out.append(out[-offset])
    if len(out) != length:
        raise ValueError(f"found {len(out)} bytes, expected {length}")
    return bytes(out)


def _varint(data: bytes) -> tuple[int, int]:
    value = 0
    for at, byte in enumerate(data[:5]):
        value |= (byte & 0x7F) << 7 * at
        if byte < 0x80:
            return value, at + 1
    raise ValueError("the length is cut short")
