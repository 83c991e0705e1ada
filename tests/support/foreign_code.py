# SPDX-License-Identifier: MIT
"""Creation code of an attacker's own: it writes storage, and returns code that somebody else compiled."""

from __future__ import annotations

from collections.abc import Mapping

_SSTORE, _CODECOPY, _RETURN = b"\x55", b"\x39", b"\xf3"
_PUSH1, _PUSH4, _PUSH32 = b"\x60", b"\x63", b"\x7f"


def foreign_creation(runtime: bytes, storage: Mapping[int, int]) -> bytes:
    """Return init code that leaves `storage` (words by slot) behind and `runtime` as the contract's code."""
    writes = b"".join(
        _PUSH32 + value.to_bytes(32) + _PUSH32 + slot.to_bytes(32) + _SSTORE
        for slot, value in storage.items()
    )
    size = _PUSH4 + len(runtime).to_bytes(4)
    # size, offset, 0, CODECOPY; size, 0, RETURN
    ending = len(size) + 5 + 2 + 1 + len(size) + 2 + 1
    offset = _PUSH4 + (len(writes) + ending).to_bytes(4)
    return writes + size + offset + _PUSH1 + b"\0" + _CODECOPY + size + _PUSH1 + b"\0" + _RETURN + runtime
