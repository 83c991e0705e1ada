# SPDX-License-Identifier: MIT
"""Read our own byte formats from the front (docs/reference/wire-formats.md, conventions)."""

from __future__ import annotations

from light_clients.errors import EncodingRejected


class Cursor:
    """A position in bytes, which moves from the front to the end and never beyond it.

    Attributes:
        data: all of the bytes.
        pos: the index of the next byte to read.
    """

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos

    def take(self, length: int) -> bytes:
        """Return the next `length` bytes and move behind them.

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
        """Return the next `length` bytes as a big-endian integer. Raises as `take` does, like all that
        follow.
        """
        return int.from_bytes(self.take(length), "big")

    def uint64_le(self) -> int:
        """Return the next 8 bytes as a little-endian integer, which is how SSZ encodes one."""
        return int.from_bytes(self.take(8), "little")

    def prefixed(self) -> bytes:
        """Return bytes whose length stands in one byte before them."""
        return self.take(self.uint(1))

    def addresses(self) -> tuple[bytes, ...]:
        """Return addresses, 20 bytes each, whose number stands in one byte before them."""
        packed = self.take(20 * self.uint(1))
        return tuple([packed[at : at + 20] for at in range(0, len(packed), 20)])

    def finish(self) -> None:
        """Check that nothing is left over.

        Raises:
            EncodingRejected: bytes are left over.
        """
        if self.pos != len(self.data):
            raise EncodingRejected("bytes are left over", found=self.data[self.pos :], expected="the end")
