# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.cursor import Cursor
from light_clients.errors import EncodingRejected


def test_bytes_are_taken_from_the_front_to_the_end() -> None:
    cursor = Cursor(b"..ab\x01\x02\x02xy" + (5).to_bytes(8, "little"), 2)
    assert cursor.take(2) == b"ab"
    assert cursor.uint(2) == 0x0102
    assert cursor.prefixed() == b"xy"
    assert cursor.uint64_le() == 5
    assert cursor.take(0) == b""
    cursor.finish()


def test_addresses_stand_behind_their_number() -> None:
    cursor = Cursor(b"\x02" + b"a" * 20 + b"b" * 20 + b"\x00\x01c")
    assert cursor.addresses() == (b"a" * 20, b"b" * 20)
    assert cursor.addresses() == ()
    with pytest.raises(EncodingRejected, match="cut short"):
        cursor.addresses()


def test_nothing_is_read_beyond_the_end() -> None:
    cursor = Cursor(b"\x05abc")
    for read in (lambda: cursor.take(5), lambda: cursor.uint(5), cursor.uint64_le):
        with pytest.raises(EncodingRejected, match="cut short: found 4 bytes"):
            read()
    assert cursor.pos == 0
    with pytest.raises(EncodingRejected, match="at least 6"):
        cursor.prefixed()


def test_what_is_left_over_is_refused() -> None:
    with pytest.raises(EncodingRejected, match="left over: found 0x6263"):
        Cursor(b"abc", 1).finish()
