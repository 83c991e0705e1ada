# SPDX-License-Identifier: MIT
"""Time spans as people write them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from relayer.errors import Malformed

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

#: A time span: text such as `"10m"`, seconds, or a timedelta.
Span = str | float | timedelta


def parse_span(span: Span) -> float:
    """Return a span in seconds. Raises Malformed."""
    if isinstance(span, timedelta):
        return span.total_seconds()
    if isinstance(span, str):
        match = _SPAN.fullmatch(span.strip())
        if match is None:
            raise Malformed(f"the time span {span!r}", "a number with its unit, such as 30s, 10m, 2h or 1d")
        return float(match[1]) * _UNITS_S[match[2]]
    return float(span)
