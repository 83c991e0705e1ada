# SPDX-License-Identifier: MIT
"""Reading our own formats from the front: docs/reference/wire-formats.md, conventions."""

from __future__ import annotations

from light_clients.errors import EncodingRejected


class Cursor:
    """Reads bytes from the front and never beyond the end."""

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos

    def take(self, length: int) -> bytes:
        """The next `length` bytes.

        Raises:
            EncodingRejected: there are fewer.
        """
        end = self.pos + length
        if end > len(self.data):
            raise EncodingRejected(
                "the data is cut short", found=f"{len(self.data)} bytes", expected=f"at least {end}"
            )
        taken = self.data[self.pos : end]
        self.pos = end
        return taken

    def uint(self, length: int) -> int:
        """The next `length` bytes as a big-endian integer."""
        return int.from_bytes(self.take(length), "big")

    def uint64_le(self) -> int:
        """The next 8 bytes as SSZ has integers: little-endian."""
        return int.from_bytes(self.take(8), "little")

    def prefixed(self) -> bytes:
        """Bytes with their length in one byte before them."""
        return self.take(self.uint(1))

    def finish(self) -> None:
        """Check that nothing is left over.

        Raises:
            EncodingRejected: something is.
        """
        if self.pos != len(self.data):
            raise EncodingRejected("bytes are left over", found=self.data[self.pos :], expected="the end")
