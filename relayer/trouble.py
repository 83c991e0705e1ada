# SPDX-License-Identifier: MIT
"""One line a trouble: what fails again and again is logged once, and once more when it is over."""

from __future__ import annotations

import re
import time
from typing import Final

import structlog

#: Heights, hashes and times in a text differ from try to try, and make no other trouble of it.
_VARYING: Final = re.compile(r"0x[0-9a-fA-F]+|\d+(\.\d+)?")


class Trouble:
    """Something that is tried again and again.

    Args:
        log: where it is told.
        what: the event that it is told as, such as `step failed`.
    """

    def __init__(self, log: structlog.typing.FilteringBoundLogger, what: str) -> None:
        self._log = log
        self._what = what
        self._told: set[str] = set()
        self._tries = 0
        self._since = 0.0

    def note(self, text: str, **fields: object) -> None:
        """Take note of a failure: a warning where it is a new one, for debugging otherwise."""
        if not self._tries:
            self._since = time.monotonic()
        self._tries += 1
        kind = _VARYING.sub("#", text)
        tell = self._log.debug if kind in self._told else self._log.warning
        self._told.add(kind)
        tell(self._what, error=text, **fields)

    def over(self) -> None:
        """Take note that it works. Says so where it did not before."""
        if self._tries:
            self._log.info(
                f"{self._what}: over", tries=self._tries, seconds=round(time.monotonic() - self._since, 1)
            )
        self._told.clear()
        self._tries = 0
