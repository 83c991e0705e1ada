# SPDX-License-Identifier: MIT
"""Where a search goes on, as text that clients hand back unread.

A cursor is a place in the order of all messages, and nothing else: three signed numbers of 64 bits. So each
text of the right form is a place, be it one before everything, and a cursor that somebody made up finds no
more than what stands behind its place. Nothing in it is trusted, and it never expires.
"""

from __future__ import annotations

import base64
import struct
from typing import Annotated, Final

import msgspec

from relayer.journal.rows import LaneRow, Micros
from relayer.journal.search import Position

#: 24 bytes in 32 characters (RFC 4648 §5), without padding.
Cursor = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{32}$", min_length=32, max_length=32)]

_FORM: Final = struct.Struct(">qqq")


def write_cursor(position: Position) -> str:
    """Return the text of a place."""
    return base64.urlsafe_b64encode(_FORM.pack(*position)).decode()


def read_cursor(text: str) -> Position:
    """Return the place of a text, which must have the form of `Cursor`."""
    observed_at, lane, sequence = _FORM.unpack(base64.urlsafe_b64decode(text))
    return Position(Micros(observed_at), LaneRow(lane), sequence)
