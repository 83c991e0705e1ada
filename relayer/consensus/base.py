# SPDX-License-Identifier: MIT
"""What the pipeline asks of a prover: verified headers, proofs for the chain's light client,
and its updates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from light_clients.client import Height, LightClient, Status, Timestamp
from relayer.chains.base import Address, Chain, Head


@dataclass(frozen=True, slots=True)
class VerifiedHeader:
    """A header that our own light client has accepted.

    Attributes:
        number: the block's.
        hash: 32 bytes.
        timestamp: in seconds.
        state_root: 32 bytes.
        base_fee_wei: what a unit of gas cost in the block (EIP-1559). None where the header has none, or
            where what was signed does not cover it.
    """

    number: Height
    hash: bytes
    timestamp: Timestamp
    state_root: bytes
    base_fee_wei: int | None = None


@dataclass(frozen=True, slots=True)
class ProvenSlot:
    """A storage word that was verified in Python, with the bytes that prove it to the same
    client in Solidity.

    Attributes:
        slot: 32 bytes.
        value: the word in it, 32 bytes.
        height: the block whose state has it.
        timestamp: of that block, in seconds.
        proof: the argument of `storageAt`.
    """

    slot: bytes
    value: bytes
    height: Height
    timestamp: Timestamp
    proof: bytes


@dataclass(frozen=True, slots=True)
class ProvenAccount:
    """An account's nonce and balance, verified in Python against a verified header's state.

    Attributes:
        nonce: how many transactions of the account are in blocks up to `height`.
        balance_wei: what it has.
        height: the block whose state has both.
    """

    nonce: int
    balance_wei: int
    height: Height


@dataclass(frozen=True, slots=True)
class OnChainClient:
    """The state of this chain's light client on one destination, as read there. Times are in seconds.

    Attributes:
        address: of the client, 20 bytes.
        status: whether it believes anything now.
        height: what its consensus counts by: a block number, or a slot. It is for people, and is never
            compared with a proof's height.
        timestamp: of its newest trusted header.
        trusting_period_s: how long it believes after that.
        current: whether it knows who signed the newest verified header.
        proofs_from: the lowest block whose proofs it accepts; older ones were signed by a set that it no
            longer knows. 0 when no limit is known.
        anchored: the block whose state root is anchored there, if this chain's prover makes use of
            it; else 0.
        remarks: what people should know of it, such as what a change of the signers needs; lines of text.
    """

    address: Address
    status: Status
    height: Height
    timestamp: Timestamp
    trusting_period_s: int
    current: bool
    proofs_from: Height = Height(0)  # noqa: RUF009  a number
    anchored: Height = Height(0)  # noqa: RUF009  as above
    remarks: tuple[str, ...] = ()


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
    """Why to believe one chain: a light client of that chain, in Python, and what the same one
    in Solidity needs.

    A prover holds trusted state, which the journal keeps between runs (`export_state`). What it returns has
    passed its own light client (INV-5), on the very bytes that are sent.
    """

    @property
    def has_delayed_finality(self) -> bool:
        """Whether a block becomes final only later, so that verified headers lie behind the head."""
        ...

    @property
    def client_of_proofs(self) -> LightClient:
        """The light client that reads the proofs that are made, with the newest trusted state.

        Raises NotFoundYet where it has to be asked for first, by `verify_head`.
        """
        ...

    @property
    def costs(self) -> DeliveryCost:
        """What verifying costs on a destination, as far as it is known before the first receipt."""
        ...

    @property
    def signers(self) -> str:
        """How people call those who sign headers, in the plural."""
        ...

    @property
    def provider_count(self) -> int:
        """How many providers there are, which could contradict one another."""
        ...

    @property
    def signer_set_id(self) -> bytes:
        """Identifies the signer set of the newest verified header; empty before there is one.

        It changes when the set changes, and only then.
        """
        ...

    async def verify_head(self, head: Head, *, wanted: bool = True) -> VerifiedHeader:
        """Verify the newest final header at or below a head, and move trusted state where the
        consensus wants it.

        Where blocks are final at once, that is the head's own header, and every change of the signer set
        between the trusted height and the head is followed.

        Args:
            head: as a provider gave it, unverified.
            wanted: whether a newer header is needed. Where finality is delayed, none is looked for otherwise,
                nor more often than one can come; the last verified header is returned again.

        Raises:
            Rejection: the provider's header is not to be believed.
            ChainUnavailable: no provider has a header that is.
        """
        ...

    def describe_finality_wait(self, head: Head, number: Height) -> str:
        """Return how far a block is from being final, for people: `12 of about 31 slots`; ""
        where none waits.
        """
        ...

    async def prove(
        self, header: VerifiedHeader, account: Address, slots: tuple[bytes, ...]
    ) -> tuple[ProvenSlot, ...]:
        """Return proofs of slots at a verified header, in the order asked, each verified in Python (INV-5).

        Args:
            header: one that `verify_head` returned.
            account: whose storage it is, 20 bytes.
            slots: 32 bytes each.

        Raises:
            ChainUnavailable: no provider gave a proof that our light client accepts.
            Rejection: our light client no longer believes the header.
        """
        ...

    async def prove_account(self, header: VerifiedHeader, account: Address) -> ProvenAccount | None:
        """Return an account's nonce and balance at a verified header, verified in Python (INV-5).

        An account that is proven to be absent has nonce 0 and balance 0.

        Args:
            header: one that `verify_head` returned.
            account: 20 bytes.

        Returns:
            None where chains of this kind have no such proof.

        Raises:
            ChainUnavailable: no provider gave a proof that leads to the header's state.
            NotFoundYet: none has that state any more.
        """
        ...

    def anchor_for(self, height: Height) -> bytes | None:
        """Return the argument of `anchor` for the verified header of a block.

        An anchor stores a state root in the light client, so that several proofs share the cost of one
        signature. None where signatures cost too little for that, or where the header is no longer at hand.
        """
        ...

    def to_anchored(self, height: Height, proof: bytes) -> bytes | None:
        """Return the short form of a proof, which refers to the anchor of its block and carries no header.

        The light client believes it while that block is the anchored one. None where nothing is anchored.
        """
        ...

    async def look_for_misbehaviour(self) -> bytes | None:
        """Compare what all providers say of the newest verified header.

        Returns:
            The argument of `freeze` where two answers together prove misbehaviour of the signers; else None.
        """
        ...

    async def client_at(self, destination: Chain, client: Address) -> OnChainClient:
        """Read this chain's light client on a destination. Raises ChainUnavailable, RpcAnswerInvalid."""
        ...

    async def updates_for(self, destination: Chain, client: Address) -> tuple[bytes, ...]:
        """Return the arguments of the `update` calls, in order, that bring that client to the newest header.

        There are none when it is there already. The Python client, beginning with the on-chain state, has
        accepted each of them.
        """
        ...

    def export_state(self) -> bytes:
        """Return the trusted state, for the journal."""
        ...

    def import_state(self, state: bytes) -> None:
        """Take over a state that `export_state` gave. Raises ValueError for anything else."""
        ...
