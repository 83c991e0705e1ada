# SPDX-License-Identifier: MIT
"""The seam between the demo and a consensus: why a state root is to be believed,
and who would have it believed falsely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from light_clients.client import Height, LightClient
from relayer.chains.base import AccountProof, Address
from relayer.cli.demo.console import Stage
from relayer.consensus.open_chain import OpenChain


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery that was made down one lane.

    Attributes:
        client: the light client of the source on the destination.
        account, slot: whose storage was proven, and which word.
        proof: the argument of `storageAt`.
        height: of the source's block that it proves.
        block: of the destination that the delivery is in.
    """

    source: OpenChain
    destination: OpenChain
    client: Address
    account: Address
    slot: bytes
    proof: bytes
    height: Height
    block: Height


@dataclass(frozen=True, slots=True)
class ForgeryBasis:
    """What a forger starts from: the newest true proof, and what the forger would have the proven word be.

    Attributes:
        account, slot: whose storage, and which word.
        proof: true, the argument of `storageAt`.
        nodes: the trie nodes that it was made of.
        height: of the source's block that it proves.
        word, forged_word: what the chain's state holds, and what would let the invented message through.
    """

    source: OpenChain
    account: Address
    slot: bytes
    proof: bytes
    nodes: AccountProof
    height: Height
    word: bytes
    forged_word: bytes


@dataclass(frozen=True, slots=True)
class Forgery:
    """A dishonest argument of `storageAt`, and what is dishonest about it."""

    name: str
    proof: bytes


class TrustExplanation(Protocol):
    """Why the state root of one delivery was believed."""

    @property
    def state_root(self) -> bytes:
        """Of the block that was proven, 32 bytes."""
        ...

    def explain(self, stage: Stage) -> bool:
        """Show every step, computed again here. Returns whether all of it holds."""
        ...


class Show(Protocol):
    """What is shown of one local chain's consensus."""

    @property
    def introduction(self) -> str:
        """What kind of chain it is, and who decides there."""
        ...

    @property
    def signers(self) -> int:
        """How many could sign a header: what a light client has to look through."""
        ...

    @property
    def kind(self) -> str:
        """How `--json` calls it: as the configuration does."""
        ...

    @property
    def believed(self) -> str:
        """Why a header is believed, behind `header of block N believed: `."""
        ...

    @property
    def checked(self) -> str:
        """What a delivery has its destination check of this chain, besides storage."""
        ...

    @property
    def rotates_every_s(self) -> float | None:
        """How often its signers are others by rule;
        None where they are the same until somebody decides otherwise.
        """
        ...

    def begin(self) -> None:
        """Make the chain live as chains do, before anything is shown."""
        ...

    def client_of(self, source: OpenChain) -> LightClient:
        """The Python light client of this chain, as it believes now."""
        ...

    async def trust_of(self, destination: OpenChain, client: Address) -> str:
        """Whom this chain's light client on a destination trusts now: other words when it is others."""
        ...

    async def vouching_of(self, delivered: Delivered) -> TrustExplanation:
        """Read back why a delivery was believed, from the bytes that it carried."""
        ...

    async def forge(self, truth: ForgeryBasis) -> Sequence[Forgery]:
        """What somebody would try who can write anything but signatures of honest members."""
        ...


def judge(stage: Stage, holds: bool, text: str) -> bool:
    """Show whether something holds, and return that."""
    if holds:
        stage.good(text)
    else:
        stage.bad(f"NOT SO: {text}")
    return holds


def rewrite(proof: bytes, word: bytes, other: bytes) -> bytes:
    """The proof with another word (32 bytes) in the slot's leaf, said as the encoding says words:
    a length, no leading zeros.
    """
    old, new = word.lstrip(b"\0"), other.lstrip(b"\0")
    return proof.replace(bytes((len(old),)) + old, bytes((len(new),)) + new, 1)
