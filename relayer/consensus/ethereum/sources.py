# SPDX-License-Identifier: MIT
"""What the prover of a proof-of-stake chain asks: of beacon nodes, and of the execution chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from light_clients.client import Height
from light_clients.ethereum.config import Period
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientUpdate,
)
from relayer.chains.base import AccountProof, Address

T = TypeVar("T")


class BeaconSource(Protocol):
    """What is asked of beacon nodes; relayer.consensus.ethereum.beacon_api.BeaconApi has it. Each check runs in a thread."""

    @property
    def witnesses(self) -> int:
        """How many nodes there are."""
        ...

    async def checked_bootstrap(self, root: bytes, check: Callable[[LightClientBootstrap], T]) -> T:
        """What `check` makes of a bootstrap; where it raises Rejection, the next node is asked."""
        ...

    async def checked_updates(
        self, start: Period, count: int, check: Callable[[tuple[LightClientUpdate, ...]], T]
    ) -> T:
        """What `check` makes of one node's best updates; where it raises Rejection, the next node is asked."""
        ...

    async def checked_finality_update(self, check: Callable[[LightClientFinalityUpdate], T]) -> T:
        """What `check` makes of a node's finality update; where it raises Rejection, the next node is asked."""
        ...

    async def finality_updates_of_everyone(self) -> list[tuple[str, LightClientFinalityUpdate]]:
        """Every node's finality update."""
        ...

    async def updates_of_everyone(self, period: Period) -> list[tuple[str, LightClientUpdate]]:
        """Every node's best update of a period."""
        ...


class EthereumSource(Protocol):
    """What is asked of the execution chain; relayer.chains.evm.EvmChain has it."""

    async def checked_proof(
        self,
        account: Address,
        slots: Sequence[bytes],
        number: Height,
        check: Callable[[AccountProof], T],
    ) -> T:
        """What `check` makes of a proof; where it raises Rejection, the next provider is asked."""
        ...
