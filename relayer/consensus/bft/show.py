# SPDX-License-Identifier: MIT
"""What the demo shows of QBFT and IBFT 2.0: validators' seals on a header. See relayer.consensus.show."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from light_clients import ecdsa
from light_clients.bft.client import BftClient
from light_clients.bft.codec import encode_proof
from light_clients.bft.header import BftHeader
from light_clients.bft.reader import ReadHeader, read_header
from light_clients.bft.validators import quorum
from light_clients.client import Height
from light_clients.cursor import Cursor
from relayer.chains.base import Address, Call
from relayer.chains.evm import abi
from relayer.consensus.bft.config import LABELS, NAMES
from relayer.consensus.bft.contract import decode_trusted_state
from relayer.consensus.bft.endpoint import bft_prover
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.open_chain import OpenChain
from relayer.consensus.show import (
    Carried,
    Delivered,
    Forgery,
    ForgeryBasis,
    Printer,
    ShowRole,
    TrustExplanation,
    judge,
    read_carried,
)
from relayer.text import hex_of, short


class BftShow:
    """What is shown of a running local chain. Implements ConsensusShow."""

    why_believed = "enough validators sealed it"
    rotation = None

    def __init__(self, chain: LocalBftChain, opened: OpenChain) -> None:
        self._chain = chain
        self._opened = opened

    @property
    def consensus(self) -> str:
        """The protocol of the newest block, as the configuration has it."""
        state, kinds = self.client.state, self.client.params.kinds
        return NAMES[kinds.at(state.height)]

    @property
    def signer_count(self) -> int:
        """The number of validators."""
        return len(self._chain.validators)

    @property
    def checked(self) -> str:
        """A header and its seals."""
        return f"a header with the seals of {self.signer_count} validators"

    @property
    def client(self) -> BftClient:
        """The light client of the chain's prover."""
        return bft_prover(self._opened.prover).client

    async def describe_trust(self, destination: OpenChain, client: Address) -> str:
        """Name the trusted set by its hash."""
        trusted = await _read_trusted_set(destination, client)
        return f"the {self.signer_count} validators whose set hashes to {short(trusted)}"

    async def explain_delivery(self, delivered: Delivered) -> TrustExplanation:
        """Read the header that was delivered, and what the contract trusted then."""
        carried = await read_carried(delivered)
        given_root = None if carried.anchored_by else carried.state_root
        return SealedHeader(
            carried=carried,
            header=read_header(Cursor(carried.data), self.client.params.kinds, given_root),
            own_hash=(await self._header(delivered.height)).block_hash,
            trusted_set=await _read_trusted_set(delivered.destination, delivered.client, delivered.block),
            source=self._opened.name,
            destination=delivered.destination.name,
        )

    async def forge(self, basis: ForgeryBasis) -> Sequence[Forgery]:
        """Make a header that validators of the forger's own sealed, and a seal with one bit changed."""
        header = await self._header(basis.height)
        by_strangers = encode_proof(
            basis.nodes.storage_nodes[basis.slot],
            basis.nodes.account_nodes,
            seal_as_strangers(header),
            basis.account,
            basis.slot,
        )
        bent = basis.proof[:-1] + bytes([basis.proof[-1] ^ 1])
        return (
            Forgery("a header sealed by validators of the forger's own", by_strangers),
            Forgery("one bit of one seal changed", bent),
        )

    async def _header(self, height: Height) -> BftHeader:
        """Return a header with its seals as the chain's own node gives it."""
        return BftHeader.from_rpc(await self._opened.chain.block(height), self.client.params.kinds)


class BftShowRole:
    """Implements ShowRole."""

    def begin(self, chain: LocalBftChain) -> str:
        """Leave the chain as it is: its blocks are sealed by a quorum and not by all, as on real chains."""
        return chain.describe().summary

    def open(self, chain: LocalBftChain, opened: OpenChain) -> BftShow:
        """Return what is shown of a chain."""
        return BftShow(chain, opened)


SHOW: Final[ShowRole[LocalBftChain]] = BftShowRole()


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """A header as it was delivered. Implements TrustExplanation.

    Attributes:
        carried: what the delivery brought.
        header: the same, as the light client's reader read it; it recovered every seal to its validator.
        own_hash: of the block of that height, as the chain itself has it.
        trusted_set: the hash of the set that the light client trusted at the delivery.
        source, destination: the chains' names.
    """

    carried: Carried
    header: ReadHeader
    own_hash: bytes
    trusted_set: bytes
    source: str
    destination: str

    def explain(self, printer: Printer) -> bool:
        """Print the header's hashes, who sealed it, and whether the set is the trusted one."""
        header = self.header
        block_hash = header.preimage.block_hash()
        sealed = header.preimage.commit_seal_hash()
        printer.heading(
            f"The header and its seals: why that state root is to be believed ({LABELS[header.preimage.kind]})."
        )
        self.carried.tell_origin(printer)
        printer.fact("block", f"{header.number} of {self.source}, hash {hex_of(block_hash)}")
        printer.fact("what is sealed", f"{hex_of(sealed)} (the header's hash, its seals left out)")
        self._print_seals(printer)
        needed, found = quorum(len(header.validators)), len(header.seals)
        return all(
            [
                judge(
                    printer,
                    f"with that state root in it, the header has the hash that {self.source} gives its block "
                    f"{header.number}",
                    holds=block_hash == self.own_hash and header.state_root == self.carried.state_root,
                ),
                judge(
                    printer,
                    f"{found} of {len(header.validators)} sealed, {needed} are needed (two thirds)",
                    holds=found >= needed,
                ),
                judge(
                    printer,
                    f"the set hashes to the one that the light client on {self.destination} trusts: "
                    f"{short(self.trusted_set)}",
                    holds=header.set_hash == self.trusted_set,
                ),
            ]
        )

    def _print_seals(self, printer: Printer) -> None:
        seals = iter(self.header.seals)
        for index, validator in enumerate(self.header.validators):
            shown = "no seal of it was sent"
            if self.header.sealers >> index & 1:
                seal = next(seals)
                shown = f"r ‖ s = {seal[:6].hex()}…{seal[-4:].hex()} recovers to it"
            printer.fact(f"validator {index}", f"{hex_of(validator)}  {shown}")


def seal_as_strangers(header: BftHeader) -> BftHeader:
    """Return the same block as sealed by as many validators that the forger has made up."""
    made_up = [(1 + secrets.randbelow(ecdsa.ORDER - 1)).to_bytes(32) for _ in header.validators]
    by_address = {ecdsa.address_of(secret): secret for secret in made_up}
    listed = dataclasses.replace(header, validators=tuple(sorted(by_address)), seals=())
    digest = listed.commit_seal_hash
    seals = tuple(ecdsa.sign(digest, by_address[address]) for address in listed.validators)
    return dataclasses.replace(listed, seals=seals)


async def _read_trusted_set(destination: OpenChain, client: Address, block: Height | None = None) -> bytes:
    state = await destination.chain.call(Call(client, abi.CLIENT_TRUSTED_STATE), block)
    return decode_trusted_state(state).set_hash
