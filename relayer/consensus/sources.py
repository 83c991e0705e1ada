# SPDX-License-Identifier: MIT
"""What a prover asks of the chain that it proves, in parts; relayer.chains.evm.chain.EvmChain has them all.

Answers are unverified. A `check` verifies one while it is still known whose it is: where it raises Rejection,
that provider is blamed and the next one is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from light_clients.client import Height
from relayer.chains.base import AccountProof, Address

T = TypeVar("T")


class BlockSource(Protocol):
    """Serves single blocks."""

    async def checked_block(self, number: Height, check: Callable[[Mapping[str, Any]], T]) -> T:
        """Return what `check` makes of a block."""
        ...


class RunSource(Protocol):
    """Serves several blocks, all of one provider."""

    async def checked_blocks(
        self, numbers: Sequence[Height], check: Callable[[Sequence[Mapping[str, Any]]], T]
    ) -> T:
        """Return what `check` makes of one provider's blocks."""
        ...


class ProofSource(Protocol):
    """Serves proofs of accounts and their storage (`eth_getProof`, EIP-1186)."""

    async def checked_proof(
        self,
        account: Address,
        slots: Sequence[bytes],
        number: Height,
        check: Callable[[AccountProof], T],
    ) -> T:
        """Return what `check` makes of a proof of slots, 32 bytes each, at a block."""
        ...


class ComparedSource(Protocol):
    """Tells what every provider says of a block."""

    @property
    def provider_count(self) -> int:
        """How many providers there are, which could contradict one another."""
        ...

    async def blocks_of_everyone(self, number: Height) -> list[tuple[str, Mapping[str, Any]]]:
        """Return one block as every provider tells it, with the provider's label."""
        ...
