# SPDX-License-Identifier: MIT
"""What the demo shows of a solo chain: the key's signature under a header."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from light_clients import ecdsa
from light_clients.client import Height
from light_clients.cursor import Cursor
from light_clients.trust import encode_claim
from postroad_solo.local import LocalSoloChain
from postroad_solo.prover import SoloProver
from postroad_solo.rules import SoloClient, SoloHeader
from relayer.chains.base import Address
from relayer.consensus.open_chain import OpenChain
from relayer.consensus.show import (
    Carried,
    ConsensusShow,
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


@dataclass(frozen=True, slots=True)
class SignedHeader(TrustExplanation):
    """A header as it was delivered; see TrustExplanation. `signer` is whom the light client trusts, 20 bytes."""

    carried: Carried
    header: SoloHeader
    own_hash: bytes
    signer: bytes
    source: str

    @property
    def state_root(self) -> bytes:
        """The root that the proof's tries lead to."""
        return self.carried.state_root

    def explain(self, printer: Printer) -> bool:
        """Print what was signed, and by whom."""
        header = self.header
        printer.heading("The header and its seal: why that state root is to be believed.")
        self.carried.tell_origin(printer)
        printer.fact("number, time", f"{header.number}, {header.timestamp}")
        printer.fact("parent hash", hex_of(header.parent_hash))
        printer.result("→ hash", hex_of(header.hash))
        printer.fact("seal", hex_of(header.seal))
        return all(
            [
                judge(
                    printer,
                    f"that is the hash that {self.source} gives its block {header.number}",
                    holds=header.hash == self.own_hash and header.state_root == self.state_root,
                ),
                judge(
                    printer,
                    f"the seal recovers to the key that is trusted, {hex_of(self.signer)}",
                    holds=header.sealer == self.signer,
                ),
            ]
        )


class SoloShow(ConsensusShow):
    """What is shown of a running local chain; see ConsensusShow."""

    consensus = "solo"
    signer_count = 1
    why_believed = "the key signed it"
    checked = "a header with the signature of one key"
    rotation = None

    def __init__(self, opened: OpenChain) -> None:
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

    async def explain_delivery(self, delivered: Delivered) -> SignedHeader:
        """Read the header that was delivered."""
        carried = await read_carried(delivered)
        given_root = None if carried.anchored_by else carried.state_root
        return SignedHeader(
            carried=carried,
            header=SoloHeader.read(Cursor(carried.data), given_root),
            own_hash=(await self._header(delivered.height)).hash,
            signer=self.client.signer,
            source=self._opened.name,
        )

    async def forge(self, basis: ForgeryBasis) -> Sequence[Forgery]:
        """Sign with a key of the forger's own, and change one bit of the true signature."""
        header = await self._header(basis.height)
        stranger = (1 + secrets.randbelow(ecdsa.ORDER - 1)).to_bytes(32)
        claim = encode_claim(
            basis.nodes.storage_nodes[basis.slot],
            basis.nodes.account_nodes,
            basis.account,
            basis.slot,
            anchored=False,
        )
        by_stranger = replace(header, seal=ecdsa.sign(header.hash, stranger)).encode(in_proof=True)
        bent = bytes([header.seal[0] ^ 1]) + header.seal[1:]
        return (
            Forgery("a header that a key of the forger's own signed", claim + by_stranger),
            Forgery("one bit of the seal changed", claim + replace(header, seal=bent).encode(in_proof=True)),
        )

    async def _header(self, height: Height) -> SoloHeader:
        return SoloHeader.from_rpc(await self._opened.chain.block(height))


class SoloShowRole(ShowRole[LocalSoloChain]):
    """See ShowRole."""

    def begin(self, chain: LocalSoloChain) -> str:
        """Leave the chain as it is."""
        return chain.describe().summary

    def open(self, chain: LocalSoloChain, opened: OpenChain) -> SoloShow:
        """Return what is shown of a chain."""
        del chain
        return SoloShow(opened)


SHOW: Final = SoloShowRole()
