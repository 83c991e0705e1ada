# SPDX-License-Identifier: MIT
"""QBFT and IBFT 2.0 in the demo: validators' seals on a header."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from light_clients import ecdsa
from light_clients.bft.client import BftClient
from light_clients.bft.codec import encode_proof
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.bft.validators import quorum, set_hash
from light_clients.client import Height
from relayer.chains.base import Address, Call
from relayer.chains.evm import abi
from relayer.cli.demo.console import Stage
from relayer.cli.output import hex_of, short
from relayer.consensus.bft.contract import decode_trusted_state
from relayer.consensus.bft.endpoint import bft_prover
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.open_chain import OpenChain
from relayer.consensus.show import Delivered, Forgery, ForgeryBasis, TrustExplanation, judge

_LABELS = {BftKind.QBFT: "QBFT", BftKind.IBFT2: "IBFT 2.0"}


class BftShow:
    """Implements relayer.consensus.show.Show."""

    believed = "enough validators sealed it"
    rotates_every_s = None

    def __init__(self, chain: LocalBftChain) -> None:
        self._chain = chain
        self._kind = chain.protocol

    @property
    def introduction(self) -> str:
        """See Show."""
        return f"{_LABELS[self._kind]}, {self.signers} validators"

    @property
    def signers(self) -> int:
        """See Show."""
        return len(self._chain.validators)

    @property
    def kind(self) -> str:
        """See Show."""
        return self._chain.kind

    @property
    def checked(self) -> str:
        """See Show."""
        return f"a header with the seals of {self.signers} validators"

    def begin(self) -> None:
        """Its blocks are sealed by a quorum as they are."""

    def client_of(self, source: OpenChain) -> BftClient:
        """See Show."""
        return bft_prover(source.prover).client

    async def trust_of(self, destination: OpenChain, client: Address) -> str:
        """See Show."""
        trusted = await _trusted_set(destination, client)
        return f"the {self.signers} validators whose set hashes to {short(trusted)}"

    async def vouching_of(self, delivered: Delivered) -> TrustExplanation:
        """See Show."""
        return _Sealed(
            header=await self._header(delivered.source, delivered.height),
            trusted_set=await _trusted_set(delivered.destination, delivered.client, delivered.block),
            source=delivered.source.name,
            destination=delivered.destination.name,
        )

    async def forge(self, truth: ForgeryBasis) -> Sequence[Forgery]:
        """See Show."""
        header = await self._header(truth.source, truth.height)
        by_strangers = encode_proof(
            truth.nodes.storage_nodes[truth.slot],
            truth.nodes.account_nodes,
            _seal_by_strangers(header),
            truth.account,
            truth.slot,
        )
        bent = truth.proof[:-1] + bytes([truth.proof[-1] ^ 1])
        return (
            Forgery("a header sealed by validators of the forger's own", by_strangers),
            Forgery("one bit of one seal changed", bent),
        )

    async def _header(self, source: OpenChain, height: Height) -> BftHeader:
        """A header with its seals, as the chain gives it."""
        return BftHeader.from_rpc(await source.chain.block(height), self._kind)


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A header, and the hash of the set that the destination's light client trusted.

    Implements TrustExplanation.
    """

    header: BftHeader
    trusted_set: bytes
    source: str
    destination: str

    @property
    def state_root(self) -> bytes:
        """See TrustExplanation."""
        return self.header.state_root

    def explain(self, stage: Stage) -> bool:
        """See TrustExplanation."""
        header = self.header
        members, sealers = header.validators, header.sealers()
        kind = _LABELS[header.kind]
        stage.say(f"The header and its seals: why that state root is to be believed ({kind}).", style="bold")
        stage.fact("block", f"{header.number} of {self.source}, hash {hex_of(header.block_hash)}")
        stage.fact(
            "what is sealed", f"{hex_of(header.commit_seal_hash)} (the header's hash, its seals left out)"
        )
        for index, validator in enumerate(members):
            seal = sealers.get(index)
            shown = (
                "did not seal"
                if seal is None
                else f"r ‖ s = {seal[:6].hex()}…{seal[-4:].hex()} recovers to it"
            )
            stage.fact(f"validator {index}", f"{hex_of(validator)}  {shown}", style="" if seal else "dim")
        needed, found = quorum(len(members)), len(sealers)
        is_enough = judge(
            stage, found >= needed, f"{found} of {len(members)} sealed, {needed} are needed (two thirds)"
        )
        is_trusted = judge(
            stage,
            set_hash(members) == self.trusted_set,
            f"the set hashes to the one that the light client on {self.destination} trusts: {short(self.trusted_set)}",
        )
        return is_enough and is_trusted


async def _trusted_set(destination: OpenChain, client: Address, block: Height | None = None) -> bytes:
    state = await destination.chain.call(Call(client, abi.CLIENT_TRUSTED_STATE), block)
    return decode_trusted_state(state).set_hash


def _seal_by_strangers(header: BftHeader) -> BftHeader:
    """The same block, as sealed by as many validators that the forger has made up."""
    made_up = [(1 + secrets.randbelow(ecdsa.ORDER - 1)).to_bytes(32) for _ in header.validators]
    by_address = {ecdsa.address_of(secret): secret for secret in made_up}
    listed = dataclasses.replace(header, validators=tuple(sorted(by_address)), seals=())
    digest = listed.commit_seal_hash
    seals = tuple(ecdsa.sign(digest, by_address[address]) for address in listed.validators)
    return dataclasses.replace(listed, seals=seals)
