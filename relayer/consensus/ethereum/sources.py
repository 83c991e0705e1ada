# SPDX-License-Identifier: MIT
"""What the prover of a proof-of-stake chain asks: of beacon nodes, and of the execution chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from light_clients.ethereum.config import Period
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientUpdate,
)

T = TypeVar("T")


class BeaconSource(Protocol):
    """What is asked of beacon nodes; relayer.consensus.ethereum.beacon_api.BeaconApi has it.

    Answers are unverified. A `check` verifies one in a thread, while it is still known whose it is: where it
    raises Rejection, that node is blamed and the next one is asked; where NotFoundYet, the next one is asked.
    """

    @property
    def provider_count(self) -> int:
        """How many nodes there are."""
        ...

    async def checked_bootstrap(self, root: bytes, check: Callable[[LightClientBootstrap], T]) -> T:
        """What `check` makes of a node's bootstrap of a block root, 32 bytes."""
        ...

    async def checked_updates(
        self, start: Period, count: int, check: Callable[[tuple[LightClientUpdate, ...]], T]
    ) -> T:
        """What `check` makes of a node's best updates of up to `count` periods from `start` on."""
        ...

    async def checked_finality_update(self, check: Callable[[LightClientFinalityUpdate], T]) -> T:
        """What `check` makes of a node's newest finality update."""
        ...

    async def finality_updates_of_everyone(self) -> list[tuple[str, LightClientFinalityUpdate]]:
        """The newest finality update of every node that answers, with the node's label. Unverified."""
        ...

    async def updates_of_everyone(self, period: Period) -> list[tuple[str, LightClientUpdate]]:
        """The best update of a period of every node that has one, with the node's label. Unverified."""
        ...
