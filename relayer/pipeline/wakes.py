# SPDX-License-Identifier: MIT
"""How one task looks to another: something that can be woken, and that answers what the other asks of it.

A wake carries no value. The task that is woken looks at the state that it shares with the others.
"""

from __future__ import annotations

from typing import Protocol

from light_clients.client import Height


class HeaderListener(Protocol):
    """Whoever depends on a chain's verified headers: the light clients of the chain."""

    def on_source_header(self) -> None:
        """Take note that the chain has a newer verified header, or a proof of misbehaviour."""


class Guest(Protocol):
    """Whoever can do nothing while a chain can't be asked: the light clients on the chain."""

    def recovered(self) -> None:
        """Take note that the chain can be asked again."""


class LanePort(Protocol):
    """A lane's task, as the tasks of its source and its destination see it."""

    @property
    def oldest_height(self) -> int:
        """The destination's client does not believe proofs below this block of the source any more."""

    def count_ready(self, height: Height) -> int:
        """Return how many batches under a header could be sent now, at the least."""

    def wake(self) -> None:
        """Have the task plan again: something changed."""

    def learn(self, calldata: bytes, messages: int, gas_used: int) -> None:
        """Learn from the gas that a delivery of `messages` full messages has used."""
