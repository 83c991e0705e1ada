# SPDX-License-Identifier: MIT
"""What nodes refuse for its size, its gas or its type. It is learnt from refusals, and forgotten after a
while: one false refusal must not bind for ever.
"""

from __future__ import annotations

import time
from typing import Final

from relayer.chains.base import Refusal
from relayer.journal.rows import SignedAttempt

#: Most nodes take no more bytes in one transaction. Where they take fewer, the first refusal tells.
_MOST_BYTES: Final = 128 * 1024
#: What was refused is tried again after so long: a block's gas limit moves, and a node may have been wrong.
_REFUSED_S: Final = 600.0


class NodeLimits:
    """The limits of one chain's nodes, as far as refusals showed them lately."""

    def __init__(self) -> None:
        self._refused: dict[Refusal, tuple[int, float]] = {}

    def note(self, refusal: Refusal | None, attempt: SignedAttempt) -> None:
        """Take note of why a signature was refused."""
        amounts = {
            Refusal.TOO_LARGE: len(attempt.raw),
            Refusal.TOO_MUCH_GAS: attempt.gas,
            Refusal.TYPE_UNSUPPORTED: 0,
        }
        if refusal in amounts:
            self._refused[refusal] = (amounts[refusal], time.monotonic())

    @property
    def most_bytes(self) -> int:
        """More than so many bytes of a transaction are refused."""
        refused = self._recent(Refusal.TOO_LARGE)
        return _MOST_BYTES if refused is None else min(_MOST_BYTES, refused - 1)

    @property
    def most_gas(self) -> int | None:
        """The most gas that nodes took no offence at; None where they refused none for it."""
        refused = self._recent(Refusal.TOO_MUCH_GAS)
        return None if refused is None else refused * 3 // 4

    @property
    def is_legacy(self) -> bool:
        """Whether type 2 was refused, so that type 0 is sent, whatever headers have."""
        return self._recent(Refusal.TYPE_UNSUPPORTED) is not None

    def _recent(self, refusal: Refusal) -> int | None:
        amount, at = self._refused.get(refusal, (0, float("-inf")))
        return amount if time.monotonic() - at < _REFUSED_S else None
