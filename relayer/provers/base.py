"""What the pipeline asks of a prover: verified headers, proofs fit for the chain's light client, and its upkeep."""

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
    timestamp: Timestamp
    trusting_period_s: int
    current: bool
    """True when its trusted set is the one that seals the newest verified header."""


class Prover(Protocol):
    """Why to believe one chain. Holds that chain's trusted state, which the journal keeps (`export_state`)."""

    async def verify_head(self, head: Head) -> VerifiedHeader:
        """Fetches the block's header, verifies it, and moves trusted state where the consensus wants it.

        Walks over validator-set changes between the trusted height and the head. Raises light_clients.errors.Rejection
        when the provider's header is not to be believed, relayer.errors.ChainUnavailable when it can't be had.
        """
        ...

    async def prove(
        self, header: VerifiedHeader, account: Address, slots: tuple[bytes, ...]
    ) -> tuple[ProvenSlot, ...]:
        """Proofs of slots at a verified header, verified in Python before they are returned (INV-5)."""
        ...

    async def client_at(self, destination: Chain, client: Address) -> OnChainClient:
        """Reads this chain's client on a destination."""
        ...

    async def updates_for(self, destination: Chain, client: Address) -> tuple[bytes, ...]:
        """Arguments of `update` calls, in order, that bring that client to the newest verified header.

        Empty when it is there already. Each step was accepted by the Python client from the on-chain state first.
        """
        ...

    def export_state(self) -> bytes:
        """The trusted state, for the journal."""
        ...

    def import_state(self, state: bytes) -> None:
        """Takes a state that `export_state` gave. Raises ValueError when it is not one."""
        ...
