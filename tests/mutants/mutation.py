# SPDX-License-Identifier: MIT
"""A rule of a contract, the text that stands for it, and the test that must fail without it.

A mutation is one line or a few, so that nothing but the rule changes, and the text is there exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A rule that is dropped or weakened.

    Attributes:
        name: short, unique.
        rule: what no longer holds.
        source: the file, below solidity/src/.
        found: a text that the source has exactly once.
        put: what stands there instead.
        killer: the test that fails then: its file below solidity/test/, two colons, the function's name.
    """

    name: str
    rule: str
    source: str
    found: str
    put: str
    killer: str

    @property
    def file(self) -> str:
        """The killer's file, below solidity/test/."""
        return self.killer.partition("::")[0]

    @property
    def test(self) -> str:
        """The killer's function."""
        return self.killer.partition("::")[2]

    def apply_to(self, text: str) -> str:
        """Return a source with the rule gone. Raises ValueError where the text is not there exactly once."""
        if (count := text.count(self.found)) != 1:
            raise ValueError(
                f"{self.name}: found its text {count} times in {self.source}, expected once. The source has "
                "changed: take the mutation along."
            )
        return text.replace(self.found, self.put)
