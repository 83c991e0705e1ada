# SPDX-License-Identifier: MIT
"""What came of a demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class DemoView(msgspec.Struct, frozen=True, kw_only=True):
    """A demo that was played.

    Attributes:
        ok: whether everything was as it should be.
        problems: what was not, as sentences.
        seconds: how long it took.
        messages: what was delivered: id, source, destination, sequence, height, and when each step was seen.
        forgeries: what was tried, and why Python and Solidity refused it; null where either did not.
        gas: the table of figures; null where it was not measured.
        trust: whom light clients trusted, and when that changed.
    """

    ok: bool
    problems: tuple[str, ...]
    seconds: float
    messages: tuple[Mapping[str, Any], ...]
    forgeries: tuple[Mapping[str, Any], ...]
    gas: Mapping[str, Any] | None
    trust: tuple[Mapping[str, Any], ...]
