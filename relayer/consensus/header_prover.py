# SPDX-License-Identifier: MIT
"""What provers have in common whose chain's own headers tell who signed them.

Such a prover reads blocks and proofs from the chain's nodes alone, and its light client counts by blocks. It
anchors nothing: what a header takes is less than an anchor's transaction. How a head is verified, and how
changes of the signers are followed, is each kind's own.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from light_clients.client import Height, LightClient, Timestamp
from light_clients.errors import ProofRejected
from relayer.chains.base import AccountProof, Address, Head
from relayer.consensus.accounts import prove_account
from relayer.consensus.activity import require_own_active
from relayer.consensus.base import ProvenAccount, ProvenSlot, VerifiedHeader
from relayer.consensus.sources import ComparedSource, ProofSource


class HeaderSource(ProofSource, ComparedSource, Protocol):
    """What is asked of the chain that is to be proven, at least."""


class OwnParams(Protocol):
    """What a light client is deployed with, as far as it is needed here."""

    @property
    def trusting_period_s(self) -> int:
        """For how long a trusted set is believed."""
        ...


class OwnState(Protocol):
    """What a light client believes, as far as it is needed here."""

    @property
    def set_hash(self) -> bytes:
        """The hash of the trusted set, 32 bytes."""
        ...

    @property
    def height(self) -> Height:
        """The block that made it trusted."""
        ...


class OwnClient(LightClient, Protocol):
    """A light client in Python that trusts a set of signers."""

    @property
    def params(self) -> OwnParams:
        """What it was deployed with."""
        ...

    @property
    def state(self) -> OwnState:
        """What it believes."""
        ...


class NodeHeader(Protocol):
    """A header as a node gives it, after it was read."""

    @property
    def number(self) -> Height:
        """The block's."""
        ...

    @property
    def block_hash(self) -> bytes:
        """32 bytes."""
        ...

    @property
    def timestamp(self) -> Timestamp:
        """In seconds."""
        ...

    @property
    def state_root(self) -> bytes:
        """32 bytes."""
        ...

    @property
    def base_fee_wei(self) -> int | None:
        """None where the header has none."""
        ...


S = TypeVar("S", bound=HeaderSource)
C = TypeVar("C", bound=OwnClient)
#: What is kept of a verified block, so that proofs can be made: a header with its seals, or several.
B = TypeVar("B")


class HeaderProver(ABC, Generic[S, C, B]):
    """Proves one chain by its own headers; a base of what implements relayer.consensus.base.Prover.

    Args:
        source: the chain that is proven.
        client: our own light client, which begins with the configured bootstrap.
        clock: our own time, in seconds since 1970.
    """

    #: As Prover has them.
    signers: str
    has_delayed_finality: bool = False

    def __init__(self, source: S, client: C, clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self._client = client
        self._clock = clock

    @property
    def client(self) -> C:
        """Our own light client, with its trusted state."""
        return self._client

    @property
    def client_of_proofs(self) -> C:
        """The light client that proofs are made for: our own, or one with what those on destinations know."""
        return self._client

    @property
    def provider_count(self) -> int:
        """How many providers the chain has, which could contradict one another."""
        return self._source.provider_count

    @property
    def signer_set_id(self) -> bytes:
        """The hash of the trusted set, 32 bytes."""
        return self._client.state.set_hash

    def describe_finality_wait(self, head: Head, number: Height) -> str:
        """Return "": nothing waits where a signed block is final."""
        del head, number
        return ""

    async def prove(
        self, header: VerifiedHeader, account: Address, slots: tuple[bytes, ...]
    ) -> tuple[ProvenSlot, ...]:
        """Return proofs of slots at a verified header, each accepted by our light client.

        Raises:
            ChainUnavailable: no provider gave a proof that our light client accepts.
            Rejection: the header was signed by a set that is no longer the trusted one.
        """
        block = await self._find_verified(header)

        def check(proof: AccountProof) -> tuple[ProvenSlot, ...]:
            return tuple(self._prove_slot(header.number, block, account, slot, proof) for slot in slots)

        return await self._source.checked_proof(account, slots, header.number, check)

    def _prove_slot(
        self, number: Height, block: B, account: Address, slot: bytes, proof: AccountProof
    ) -> ProvenSlot:
        encoded = self._encode_proof(block, account, slot, proof)
        # The very bytes that will be sent are read by the contract's rules before anybody pays (INV-5).
        found = self.client_of_proofs.storage_at(encoded, account, slot, self._now())
        if found.height != number:
            raise ProofRejected("a proof of another height", found=found.height, expected=number)
        return ProvenSlot(slot, found.value, found.height, found.timestamp, encoded)

    @abstractmethod
    async def _find_verified(self, header: VerifiedHeader) -> B:
        """Return a verified block, from what is kept or read again. Raises as `prove` does."""

    @abstractmethod
    def _encode_proof(self, block: B, account: Address, slot: bytes, proof: AccountProof) -> bytes:
        """Return the argument of `storageAt`."""

    async def prove_account(self, header: VerifiedHeader, account: Address) -> ProvenAccount:
        """Return an account's nonce and balance at a verified header.

        Raises ChainUnavailable, NotFoundYet.
        """
        return await prove_account(self._source, header, account)

    def anchor_for(self, height: Height) -> bytes | None:
        """Return None: a header costs less than an anchor's transaction."""
        del height
        return None

    def to_anchored(self, height: Height, proof: bytes) -> bytes | None:
        """Return None: nothing is anchored."""
        del height, proof
        return None

    def _check_own(self) -> None:
        """Raise ClientExpired or ClientFrozen where our own light client believes nothing any more."""
        status, state = self._client.status(self._now()), self._client.state
        require_own_active(status, state.height, self._client.params.trusting_period_s, self.signers)

    def _now(self) -> Timestamp:
        return Timestamp(int(self._clock()))


def to_verified(header: NodeHeader) -> VerifiedHeader:
    """Return what a verified header is outside its kind."""
    return VerifiedHeader(
        header.number, header.block_hash, header.timestamp, header.state_root, header.base_fee_wei
    )
