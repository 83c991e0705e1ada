# SPDX-License-Identifier: MIT
"""What the demo shows of a solo chain: one seal on a header. See relayer.consensus.show."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from light_clients.cursor import Cursor
from light_clients.ecdsa import sign
from light_clients.trust import encode_claim
from postroad_solo.local import LocalSoloChain
from postroad_solo.prover import SoloProver
from postroad_solo.rules import SoloClient, SoloHeader
from relayer.chains.base import Address
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
from relayer.text import hex_of


class SoloShow:
    """What is shown of a running local chain. Implements ConsensusShow."""

    consensus = "solo"
    signer_count = 1
    why_believed = "the key signed it"
    checked = "a header with one signature"
    rotation = None

    def __init__(self, chain: LocalSoloChain, opened: OpenChain) -> None:
        self._chain = chain
        self._opened = opened

    @property
    def client(self) -> SoloClient:
        """The light client of the chain's prover."""
        prover = self._opened.prover
        assert isinstance(prover, SoloProver)
        return prover.client

    async def describe_trust(self, destination: OpenChain, client: Address) -> str:
        """Name the key, which never changes."""
        del destination, client
        return f"the key of {hex_of(self.client.signer)}"

    async def explain_delivery(self, delivered: Delivered) -> TrustExplanation:
        """Read the header that was delivered."""
        carried = await read_carried(delivered)
        header = SoloHeader.read(Cursor(carried.data), carried.state_root)
        own = SoloHeader.from_rpc(await self._opened.chain.block(delivered.height))
        return SignedHeader(carried, header, own.hash, self.client.signer, self._opened.name)

    async def forge(self, basis: ForgeryBasis) -> Sequence[Forgery]:
        """Make a header that another key signed, and a seal with one bit changed."""
        header = SoloHeader.from_rpc(await self._opened.chain.block(basis.height))
        by_stranger = replace(header, seal=sign(header.hash, secrets.token_bytes(32)))
        nodes = basis.nodes
        claim = encode_claim(
            nodes.storage_nodes[basis.slot], nodes.account_nodes, basis.account, basis.slot, anchored=False
        )
        bent = basis.proof[:-2] + bytes([basis.proof[-2] ^ 1]) + basis.proof[-1:]
        return (
            Forgery("a header that another key signed", claim + by_stranger.encode(in_proof=True)),
            Forgery("one bit of the seal changed", bent),
        )


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A header as it was delivered. Implements TrustExplanation."""

    carried: Carried
    header: SoloHeader
    own_hash: bytes
    signer: bytes
    source: str

    def explain(self, printer: Printer) -> bool:
        """Print the hash, and who signed it."""
        header, sealer = self.header, self.header.sealer
        printer.heading("The header and its seal: why that state root is to be believed (solo).")
        self.carried.tell_origin(printer)
        printer.fact("block", f"{header.number} of {self.source}, hash {hex_of(header.hash)}")
        printer.fact("the seal", f"{hex_of(header.seal)} recovers to {hex_of(sealer or b'')}")
        return all(
            [
                judge(printer, f"it is the block that {self.source} has", holds=header.hash == self.own_hash),
                judge(printer, f"{hex_of(self.signer)} is the trusted key", holds=sealer == self.signer),
            ]
        )


class SoloShowRole:
    """Implements ShowRole."""

    def begin(self, chain: LocalSoloChain) -> str:
        """Leave the chain as it is."""
        return chain.describe().summary

    def open(self, chain: LocalSoloChain, opened: OpenChain) -> SoloShow:
        """Return what is shown of a chain."""
        return SoloShow(chain, opened)


SHOW: Final[ShowRole[LocalSoloChain]] = SoloShowRole()
