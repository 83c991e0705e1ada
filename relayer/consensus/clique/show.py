# SPDX-License-Identifier: MIT
"""What the demo shows of Clique: a block, and those that signers built on it. See relayer.consensus.show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from light_clients import ecdsa
from light_clients.client import Height
from light_clients.clique.client import CliqueClient
from light_clients.clique.codec import encode_proof
from light_clients.clique.header import CliqueHeader
from light_clients.clique.reader import Run
from light_clients.clique.signers import majority, set_hash
from light_clients.cursor import Cursor
from relayer.chains.base import Address, Call
from relayer.chains.evm import abi
from relayer.consensus.clique.contract import decode_trusted_state
from relayer.consensus.clique.endpoint import clique_prover
from relayer.consensus.clique.local.chain import LocalCliqueChain
from relayer.consensus.clique.update_path import heights
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
    make_up_signers,
    read_carried,
)
from relayer.text import hex_of, short


class CliqueShow:
    """What is shown of a running local chain. Implements ConsensusShow."""

    consensus = "clique"
    why_believed = "more than half of the signers built on it; that is probable, never final"
    rotation = None

    def __init__(self, chain: LocalCliqueChain, opened: OpenChain) -> None:
        self._chain = chain
        self._opened = opened

    @property
    def signer_count(self) -> int:
        """The number of signers."""
        return len(self._chain.signers)

    @property
    def checked(self) -> str:
        """A header, and the confirmations on it."""
        return f"a header and the {self._depth} sealed ones that stand on it"

    @property
    def client(self) -> CliqueClient:
        """The light client of the chain's prover."""
        return clique_prover(self._opened.prover).client

    async def describe_trust(self, destination: OpenChain, client: Address) -> str:
        """Name the trusted set by its hash."""
        trusted = await _read_trusted_signers(destination, client)
        return f"the {self.signer_count} signers whose set hashes to {short(trusted)}"

    async def explain_delivery(self, delivered: Delivered) -> TrustExplanation:
        """Read the headers that were delivered, and what the contract trusted then."""
        carried = await read_carried(delivered)
        cursor = Cursor(carried.data)
        signers = cursor.addresses()
        run = Run(signers, self.client.params.epoch)
        run.read(cursor, None if carried.anchored_by else carried.state_root)
        for _ in range(self.client.params.depth(len(signers))):
            run.read(cursor)
        return BuriedHeader(
            carried=carried,
            signers=signers,
            headers=tuple(run.headers),
            own_hash=(await self._headers(delivered.height, 0))[0].block_hash,
            trusted_set=await _read_trusted_signers(delivered.destination, delivered.client, delivered.block),
            source=self._opened.name,
            destination=delivered.destination.name,
        )

    async def forge(self, basis: ForgeryBasis) -> Sequence[Forgery]:
        """Make a branch that signers of the forger's own sealed, and a seal with one bit changed."""
        headers = await self._headers(basis.height, self._depth)
        epoch = self.client.params.epoch
        signers, sealed = seal_by_strangers(headers, len(clique_prover(self._opened.prover).trusted_signers))
        nodes = basis.nodes
        by_strangers = encode_proof(
            nodes.storage_nodes[basis.slot],
            nodes.account_nodes,
            (signers, sealed, epoch),
            basis.account,
            basis.slot,
        )
        bent = basis.proof[:-1] + bytes([basis.proof[-1] ^ 1])
        return (
            Forgery("a branch sealed by signers of the forger's own", by_strangers),
            Forgery("one bit of one seal changed", bent),
        )

    @property
    def _depth(self) -> int:
        return self.client.params.depth(self.signer_count)

    async def _headers(self, height: Height, more: int) -> list[CliqueHeader]:
        """Return a header, and as many more behind it, as the chain's own node gives them."""
        blocks = await self._opened.chain.blocks(heights(height, height + more))
        return [CliqueHeader.from_rpc(block) for block in blocks]


class CliqueShowRole:
    """Implements ShowRole."""

    def begin(self, chain: LocalCliqueChain) -> str:
        """Leave the chain as it is."""
        return chain.describe().summary

    def open(self, chain: LocalCliqueChain, opened: OpenChain) -> CliqueShow:
        """Return what is shown of a chain."""
        return CliqueShow(chain, opened)


SHOW: Final[ShowRole[LocalCliqueChain]] = CliqueShowRole()


@dataclass(frozen=True, slots=True)
class BuriedHeader:
    """A header as it was delivered, with those that stand on it. Implements TrustExplanation.

    Attributes:
        carried: what the delivery brought.
        signers: the set that it was sealed under.
        headers: as the light client's reader read them; it recovered every seal to its signer.
        own_hash: of the block of that height, as the chain itself has it.
        trusted_set: the hash of the set that the light client trusted at the delivery.
        source, destination: the chains' names.
    """

    carried: Carried
    signers: tuple[bytes, ...]
    headers: tuple[CliqueHeader, ...]
    own_hash: bytes
    trusted_set: bytes
    source: str
    destination: str

    def explain(self, printer: Printer) -> bool:
        """Print the block, who built on it, and whether the set is the trusted one."""
        believed, *standing = self.headers
        builders = {header.signer for header in standing}
        printer.heading("The header and its confirmations: why that state root is to be believed (Clique).")
        self.carried.tell_origin(printer)
        printer.fact("block", f"{believed.number} of {self.source}, hash {hex_of(believed.block_hash)}")
        for header in self.headers:
            turn = "in turn" if header.difficulty > 1 else "out of turn"
            printer.fact(f"block {header.number}", f"sealed by {hex_of(header.signer or b'')}, {turn}")
        needed, members = majority(len(self.signers)), len(self.signers)
        return all(
            [
                judge(
                    printer,
                    f"with that state root in it, the header has the hash that {self.source} gives its block "
                    f"{believed.number}",
                    holds=believed.block_hash == self.own_hash
                    and believed.state_root == self.carried.state_root,
                ),
                judge(
                    printer,
                    f"{len(builders)} of {members} signers built on it, {needed} are needed (more than half): probable, "
                    "never final",
                    holds=len(builders) >= needed,
                ),
                judge(
                    printer,
                    f"the set hashes to the one that the light client on {self.destination} trusts: "
                    f"{short(self.trusted_set)}",
                    holds=set_hash(self.signers) == self.trusted_set,
                ),
            ]
        )


def seal_by_strangers(
    headers: Sequence[CliqueHeader], count: int
) -> tuple[tuple[bytes, ...], list[CliqueHeader]]:
    """Return a set of so many signers that the forger has made up, and the same blocks as they seal them."""
    secret_of = make_up_signers(count)
    signers = tuple(secret_of)
    sealed: list[CliqueHeader] = []
    for header in headers:
        parent_hash = sealed[-1].block_hash if sealed else header.parent_hash
        drafted = replace(
            header,
            parent_hash=parent_hash,
            difficulty=2,
            listed=signers if header.listed else (),
        )
        secret = secret_of[signers[header.number % count]]
        sealed.append(replace(drafted, seal=ecdsa.sign(drafted.seal_hash, secret)))
    return signers, sealed


async def _read_trusted_signers(
    destination: OpenChain, client: Address, block: Height | None = None
) -> bytes:
    state = await destination.chain.call(Call(client, abi.CLIENT_TRUSTED_STATE), block)
    return decode_trusted_state(state).set_hash
