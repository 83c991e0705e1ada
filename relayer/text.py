# SPDX-License-Identifier: MIT
"""How bytes are written for people. A leaf of the import graph, so that every part writes them alike."""

from __future__ import annotations

from typing import Final

_WRITTEN_IN_FULL: Final = 8
"""At most so many bytes are not shortened."""


def hex_of(data: bytes) -> str:
    """Return bytes as 0x-hex."""
    return "0x" + data.hex()


def short(data: bytes) -> str:
    """Return bytes as people tell them apart: the first four and the last two, or all of at most eight."""
    text = data.hex()
    return f"0x{text}" if len(data) <= _WRITTEN_IN_FULL else f"0x{text[:8]}…{text[-4:]}"
