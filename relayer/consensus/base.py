# SPDX-License-Identifier: MIT
"""What the pipeline asks of a prover: verified headers,
proofs fit for the chain's light client, and its upkeep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from light_clients.client import Height, Status, Timestamp
from relayer.chains.base import Address, Chain, Head


@dataclass(frozen=True, slots=True)
class VerifiedHeader:
    """A header that our own light client has accepted."""

    number: Height
    hash: bytes
    timestamp: Timestamp
    state_root: bytes


@dataclass(frozen=True, slots=True)
class ProvenSlot:
    """A storage word, verified in Python, with the bytes that prove it to the same client in Solidity."""

    slot: bytes
    value: bytes
    height: Height
    timestamp: Timestamp
    proof: bytes


@dataclass(frozen=True, slots=True)
class OnChainClient:
    """The state of this chain's light client on one destination, as read there. Times in seconds."""

    address: Address
    status: Status
    height: Height
    """What its consensus counts by: a block number, or a slot. For people; never compared with a proof's."""
    timestamp: Timestamp
    trusting_period_s: int
    current: bool
    """True when it knows who signed the newest verified header."""
    proofs_from: Height = Height(0)  # noqa: RUF009  a number
    """Proofs of lower blocks are of signers that it no longer knows; 0 when none is known to be."""
    anchored: Height = Height(0)  # noqa: RUF009  as above
    """The block whose state root is anchored there, as far as this chain's prover makes use of it; else 0."""
    remarks: tuple[str, ...] = ()
    """What people should know of it, such as what a change of the signers needs; lines of text."""


@dataclass(frozen=True, slots=True)
class DeliveryCost:
    """What verifying this chain's headers costs on a destination, before the first receipt tells.

    Attributes:
        first_base_gas: about what a delivery takes before its first message: header, signatures, proofs.
        gas_suspects: errors of the light client that may come of too little gas as well as of a wrong proof,
            because a precompile that runs out of gas looks like a signature that does not hold. A delivery
            that was refused with one of them is worth another try with more gas.
    """

    first_base_gas: int = 150_000
    gas_suspects: frozenset[str] = frozenset()


class Prover(Protocol):
    """Why to believe one chain.

    Holds that chain's trusted state, which the journal keeps (`export_state`).
    """

    @property
    def has_delayed_finality(self) -> bool:
        """Whether a verified head becomes final only later, so that verified headers lie behind the head."""
        ...

    @property
    def costs(self) -> DeliveryCost:
        """What to reckon with before the first delivery has shown it."""
        ...

    @property
    def signers(self) -> str:
        """How people call those who sign headers, in the plural."""
        ...

    @property
    def provider_count(self) -> int:
        """How many providers there are to contradict one another."""
        ...

    @property
    def signer_set_id(self) -> bytes:
        """Identifies the set that signed the newest verified header; empty before there is one.

        It changes when, and only when, other signers than before sign.
        """
        ...

    async def verify_head(self, head: Head, *, wanted: bool = True) -> VerifiedHeader:
        """Verifies the newest final header at or below a head, and moves trusted state where the consensus
        wants it.

        Where blocks are final at once, that is the head's own, and every change of the signer set between the
        trusted height and the head is followed. Where finality is delayed, a newer header is only looked for
        if it is `wanted`, and not more often than one can come; else the last one is given again. Raises
        light_clients.errors.Rejection when the provider's header is not to be believed,
        relayer.errors.ChainUnavailable when it can't be had.
        """
        ...

    def describe_finality_wait(self, head: Head, number: Height) -> str:
        """How far a block of a trailing chain is from being final, for people: `12 of about 31 slots`."""
        ...

    async def prove(
        self, header: VerifiedHeader, account: Address, slots: tuple[bytes, ...]
    ) -> tuple[ProvenSlot, ...]:
        """Proofs of slots at a verified header, verified in Python before they are returned (INV-5)."""
        ...

    def anchor_for(self, height: Height) -> bytes | None:
        """The argument of `anchor` for a verified header, where its signature costs so much that several
        proofs under it should share one. None where it does not, or where the header is no longer at hand.
        """
        ...

    def to_anchored(self, height: Height, proof: bytes) -> bytes | None:
        """The short form of a proof that was made at a verified header:
        believed while that header is the anchored one.
        """
        ...

    async def look_for_misbehaviour(self) -> bytes | None:
        """Compares what all providers say of the newest verified header; the argument of `freeze` where two
        of them hold a proof against the chain's signers.
        """
        ...

    async def client_at(self, destination: Chain, client: Address) -> OnChainClient:
        """Reads this chain's client on a destination."""
        ...

    async def updates_for(self, destination: Chain, client: Address) -> tuple[bytes, ...]:
        """Arguments of `update` calls, in order, that bring that client to the newest verified header.

        Empty when it is there already. Each step was accepted by the Python client from the on-chain state
        first.
        """
        ...

    def export_state(self) -> bytes:
        """The trusted state, for the journal."""
        ...

    def import_state(self, state: bytes) -> None:
        """Takes a state that `export_state` gave. Raises ValueError when it is not one."""
        ...
