# SPDX-License-Identifier: MIT
"""Providers of a chain that a test has made up, as a prover asks them, and the accounts in its state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from light_clients.client import Height
from light_clients.errors import Rejection
from relayer.chains.base import AccountProof, Address
from relayer.errors import ChainUnavailable, NotFoundYet
from tests.support.trie import AccountEntry, State

T = TypeVar("T")

GATEWAY = Address(b"\x42" * 20)
SLOT = b"\x07" * 32
SENDER = Address(b"\x01" * 20)
STATE = State({GATEWAY: AccountEntry(storage={SLOT: b"\x99" * 32}), SENDER: AccountEntry(nonce=3, balance=5)})


class Block(Protocol):
    """A sealed block."""

    def rpc(self) -> dict[str, object]:
        """As a node's JSON has it."""
        ...


B = TypeVar("B", bound=Block)


@dataclass
class Provider(Generic[B]):
    """What one provider says. A missing block is 'not yet'."""

    blocks: Mapping[int, B]
    state: State = STATE
    asked: int = 0

    def block(self, number: int) -> Mapping[str, Any]:
        self.asked += 1
        if number not in self.blocks:
            raise NotFoundYet(f"no block {number}")
        return self.blocks[number].rpc()

    def proof(self, account: bytes, slots: Sequence[bytes]) -> AccountProof:
        proofs = {slot: self.state.prove(account, slot) for slot in slots}
        return AccountProof(
            tuple(self.state.prove(account, SLOT).account),
            {slot: tuple(proof.storage) for slot, proof in proofs.items()},
        )


@dataclass
class Source:
    """Several providers, asked in turn as the pool does; who was blamed is kept."""

    providers: list[Provider[Any]]
    blamed: list[int] = field(default_factory=list)

    async def checked_block(self, number: Height, check: Callable[[Mapping[str, Any]], T]) -> T:
        return self._ask(lambda provider: check(provider.block(number)))

    async def checked_blocks(
        self, numbers: Sequence[Height], check: Callable[[Sequence[Mapping[str, Any]]], T]
    ) -> T:
        return self._ask(lambda provider: check([provider.block(number) for number in numbers]))

    async def checked_proof(
        self, account: Address, slots: Sequence[bytes], number: Height, check: Callable[[AccountProof], T]
    ) -> T:
        del number
        return self._ask(lambda provider: check(provider.proof(account, slots)))

    @property
    def provider_count(self) -> int:
        return len(self.providers)

    async def blocks_of_everyone(self, number: Height) -> list[tuple[str, Mapping[str, Any]]]:
        return [
            (str(index), provider.block(number))
            for index, provider in enumerate(self.providers)
            if number in provider.blocks
        ]

    def _ask(self, use: Callable[[Provider[Any]], T]) -> T:
        missing: NotFoundYet | None = None
        # The healthy ones first, as the pool has it.
        for index in sorted(range(len(self.providers)), key=self.blamed.count):
            try:
                return use(self.providers[index])
            except Rejection:
                self.blamed.append(index)
            except NotFoundYet as error:
                missing = error
        raise missing or ChainUnavailable("nobody's answer holds")
