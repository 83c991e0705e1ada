# SPDX-License-Identifier: MIT
"""The seam between the demo and a kind of consensus: why a state root is believed, and what forgers try.

A kind that can be shown has a module `show` with a `SHOW`, a `ShowRole`. The demo starts a local chain of
the kind and calls `begin`. Once the chain is joined with another one it calls `open`, and asks the
`ConsensusShow` that it gets for everything that differs from kind to kind: words, the explanation of one
delivery, and forgeries. What is shown goes to a `Printer`, so that a show knows nothing of terminals.

What is explained are the bytes that the destination's contract was given. `read_carried` finds them; the
kind's light client (in this house under `light_clients/`) reads them, and names the parts that it read.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from light_clients import ecdsa
from light_clients.client import Height, LightClient
from light_clients.cursor import Cursor
from light_clients.trust import read_claim
from relayer.chains.base import AccountProof, Address
from relayer.chains.evm.read_back import find_anchor, read_anchor
from relayer.consensus.open_chain import OpenChain
from relayer.text import hex_of

#: A kind's local chain: what the kind's `LOCAL` builds.
L_contra = TypeVar("L_contra", contravariant=True)


class Printer(Protocol):
    """Where a show is printed. A text is printed as it is, on as many lines as it takes."""

    def heading(self, text: str) -> None:
        """Print what the lines below are about."""
        ...

    def say(self, text: str) -> None:
        """Print a sentence."""
        ...

    def fact(self, label: str, value: str) -> None:
        """Print a value under its name."""
        ...

    def result(self, label: str, value: str) -> None:
        """Print a value that follows from the facts above, under its name."""
        ...

    def good(self, text: str) -> None:
        """Print that something is as it should be."""
        ...

    def bad(self, text: str) -> None:
        """Print that something is not as it should be."""
        ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery that was made.

    Attributes:
        destination: the chain that it was made on.
        client: the light client of the source there.
        account: whose storage was proven on the source, 20 bytes.
        slot: the proven slot, 32 bytes.
        proof: the argument of `storageAt`.
        height: of the source's block that it proves.
        block: of the destination, the one that the delivery is in.
    """

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
        account: whose storage is proven, 20 bytes.
        slot: the proven slot, 32 bytes.
        proof: the true argument of `storageAt`; its header comes with it.
        nodes: the trie nodes that it was made of.
        height: of the source's block that it proves.
        word: what the chain's state holds in the slot, 32 bytes.
        forged_word: what would let the invented message through, 32 bytes.
    """

    account: Address
    slot: bytes
    proof: bytes
    nodes: AccountProof
    height: Height
    word: bytes
    forged_word: bytes


@dataclass(frozen=True, slots=True)
class Forgery:
    """A dishonest argument of `storageAt`, and what is dishonest about it, in a few words."""

    name: str
    proof: bytes


@dataclass(frozen=True, slots=True)
class Rotation:
    """A consensus whose signers change by rule.

    Attributes:
        every_s: seconds between two changes.
        title: says that they change, and that the light client follows, with no message to carry.
        followed: says what it means that the light client has followed.
    """

    every_s: float
    title: str
    followed: str


class TrustExplanation(Protocol):
    """Why the state root of one delivery was believed."""

    @property
    def carried(self) -> Carried:
        """What the delivery brought, with the state root of the block that was proven."""
        ...

    def explain(self, printer: Printer) -> bool:
        """Print every step from the state root to those who signed. Returns whether all of it holds."""
        ...


class ConsensusShow(Protocol):
    """What is shown of one chain, by its kind of consensus."""

    @property
    def consensus(self) -> str:
        """How `--json` names the consensus."""
        ...

    @property
    def signer_count(self) -> int:
        """How many can sign a header: it tells how much work verifying is. 0 where unknown."""
        ...

    @property
    def why_believed(self) -> str:
        """Why a header is believed; completes `header of block 7 believed: `."""
        ...

    @property
    def checked(self) -> str:
        """What a delivery has its destination check of this chain besides storage: a list of nouns."""
        ...

    @property
    def rotation(self) -> Rotation | None:
        """How signers change by rule; None where they stay until somebody decides otherwise."""
        ...

    @property
    def client(self) -> LightClient | None:
        """The light client in Python as it believes now; None where there is none to try forgeries on."""
        ...

    async def describe_trust(self, destination: OpenChain, client: Address) -> str:
        """Say whom this chain's light client on a destination trusts now.

        The text changes when they do, and only then. Raises Retryable when the destination does not answer.
        """
        ...

    async def explain_delivery(self, delivered: Delivered) -> TrustExplanation:
        """Read back why a delivery was believed. Raises Retryable where its bytes can't be had."""
        ...

    async def forge(self, basis: ForgeryBasis) -> Sequence[Forgery]:
        """Make what somebody would try who can write anything but the signatures of honest signers."""
        ...


class ShowRole(Protocol[L_contra]):
    """What a kind offers so that its chains can be shown."""

    def begin(self, chain: L_contra) -> str:
        """Make a running local chain live as real ones of its kind do.

        Returns what kind of chain it is, in a few words.
        """
        ...

    def open(self, chain: L_contra, opened: OpenChain) -> ConsensusShow:
        """Return what is shown of a running local chain; `opened` is the same chain as a relayer has it."""
        ...


@dataclass(frozen=True, slots=True)
class Carried:
    """What a delivered proof carried for the kind's light client to read.

    Attributes:
        state_root: that the proof's tries lead to, 32 bytes.
        data: what follows the tries in the proof; where that refers to an anchor, the argument of `anchor`.
        anchored_by: the hash of the transaction that anchored; None where the proof brought its header.
    """

    state_root: bytes
    data: bytes
    anchored_by: bytes | None

    def tell_origin(self, printer: Printer) -> None:
        """Print where the header came from, unless the proof itself brought it."""
        if self.anchored_by is not None:
            printer.say(
                f"  The header came before, once for several deliveries: transaction {hex_of(self.anchored_by)}"
            )


async def read_carried(delivered: Delivered) -> Carried:
    """Return what a delivery carried besides the tries.

    Raises:
        Rejection: the proof is malformed.
        NotFoundYet: the proof refers to an anchor, and there is none of that height.
        ChainUnavailable: the destination does not answer.
    """
    cursor = Cursor(delivered.proof)
    claim = read_claim(cursor, delivered.account, delivered.slot)
    if not claim.is_anchored:
        return Carried(claim.state_root, delivered.proof[cursor.pos :], None)
    node = delivered.destination.node
    tx_hash = await find_anchor(node, delivered.client, delivered.height, delivered.block)
    return Carried(claim.state_root, await read_anchor(node, tx_hash), tx_hash)


def make_up_signers(count: int) -> dict[bytes, bytes]:
    """Return signers that a forger has made up: addresses (20 bytes), ascending, each with its secret key."""
    made_up = [(1 + secrets.randbelow(ecdsa.ORDER - 1)).to_bytes(32) for _ in range(count)]
    return dict(sorted((ecdsa.address_of(secret), secret) for secret in made_up))


def judge(printer: Printer, text: str, *, holds: bool) -> bool:
    """Print whether something holds, and return that."""
    if holds:
        printer.good(text)
    else:
        printer.bad(f"NOT SO: {text}")
    return holds


def rewrite(proof: bytes, word: bytes, other: bytes) -> bytes:
    """Return a proof with another word in the slot's leaf.

    Args:
        proof: an argument of `storageAt`.
        word: what it proves, 32 bytes.
        other: what it shall say instead, 32 bytes. The encoding of words has a length and no leading zeros.
    """
    old, new = word.lstrip(b"\0"), other.lstrip(b"\0")
    return proof.replace(bytes((len(old),)) + old, bytes((len(new),)) + new, 1)
