# SPDX-License-Identifier: MIT
"""What the demo shows of BFT chains: validators' seals on a header, and who chose the validators where a
contract does. See relayer.consensus.show.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from light_clients import ecdsa
from light_clients.bft.client import BftClient
from light_clients.bft.codec import encode_proof
from light_clients.bft.contract_mode import codec as contract_mode
from light_clients.bft.contract_mode.client import ContractModeClient
from light_clients.bft.contract_mode.codec import ProvenBlock
from light_clients.bft.contract_mode.header import BareHeader
from light_clients.bft.contract_mode.reader import read_block
from light_clients.bft.contract_mode.validator_contract import ReadSet, SetProof, ValidatorContract
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.bft.reader import ReadHeader, read_header
from light_clients.bft.validators import quorum, set_hash
from light_clients.client import Height, Timestamp
from light_clients.cursor import Cursor
from relayer.chains.base import Address, Call
from relayer.chains.evm import abi
from relayer.consensus.bft.config import LABELS, NAMES
from relayer.consensus.bft.contract import decode_trusted_state
from relayer.consensus.bft.contract_mode.prover import STORAGE_ROOT, ContractModeProver
from relayer.consensus.bft.contract_mode.update_path import read_proven
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
    make_up_signers,
    read_carried,
)
from relayer.text import hex_of, short


class _Show:
    """What is alike, whoever chooses the validators."""

    rotation = None

    def __init__(self, chain: LocalBftChain, opened: OpenChain) -> None:
        self._chain = chain
        self._opened = opened

    @property
    def signer_count(self) -> int:
        """The number of validators."""
        return len(self._chain.validators)

    async def describe_trust(self, destination: OpenChain, client: Address) -> str:
        """Name the trusted set by its hash."""
        trusted = await _read_trusted_set(destination, client)
        return f"the {self.signer_count} validators whose set hashes to {short(trusted)}"

    async def _explain_seals(
        self, delivered: Delivered, carried: Carried, header: ReadHeader, own: BftHeader
    ) -> SealedHeader:
        return SealedHeader(
            carried=carried,
            header=header,
            own_hash=own.block_hash,
            trusted_set=await _read_trusted_set(delivered.destination, delivered.client, delivered.block),
            source=self._opened.name,
            destination=delivered.destination.name,
        )


class BftShow(_Show):
    """What is shown of a running local chain whose headers list the validators. Implements ConsensusShow."""

    why_believed = "enough validators sealed it"

    @property
    def consensus(self) -> str:
        """The protocol of the newest block, as the configuration has it."""
        state, kinds = self.client.state, self.client.params.kinds
        return NAMES[kinds.at(state.height)]

    @property
    def checked(self) -> str:
        """A header and its seals."""
        return f"a header with the seals of {self.signer_count} validators"

    @property
    def client(self) -> BftClient:
        """The light client of the chain's prover."""
        return bft_prover(self._opened.prover).client

    async def explain_delivery(self, delivered: Delivered) -> TrustExplanation:
        """Read the header that was delivered, and what the contract trusted then."""
        carried = await read_carried(delivered)
        given_root = None if carried.anchored_by else carried.state_root
        header = read_header(Cursor(carried.data), self.client.params.kinds, given_root)
        return await self._explain_seals(delivered, carried, header, await self._header(delivered.height))

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


class ContractModeShow(_Show):
    """The same of one whose validators a contract chooses. Implements ConsensusShow."""

    consensus = "qbft"
    why_believed = "enough of the validators sealed it whom the contract names"

    @property
    def checked(self) -> str:
        """A header and its seals, and why those validators."""
        return (
            f"a header with the seals of {self.signer_count} validators, the header before it, and what the contract's "
            "storage held there"
        )

    @property
    def client(self) -> ContractModeClient:
        """The light client of the chain's prover, as it reads the proofs that are sent."""
        prover = self._opened.prover
        assert isinstance(prover, ContractModeProver)
        return prover.client_of_proofs

    async def explain_delivery(self, delivered: Delivered) -> TrustExplanation:
        """Read the block that was delivered, and what the contract trusted and knew then."""
        carried = await read_carried(delivered)
        contract, name = self.client.params.contract, "storageRoot's answer"
        answer = await delivered.destination.chain.call(Call(delivered.client, STORAGE_ROOT), delivered.block)
        (root,) = abi.decode_words(answer, 1, name)
        given_root = None if carried.anchored_by else carried.state_root
        known_root = abi.encode_word(root) if root else None
        block = read_block(Cursor(carried.data), contract, known_root, given_root)
        header = dataclasses.replace(
            block.header,
            validators=block.validators,
            set_hash=block.set_hash,
            sealers=block.sealers,
            seals=block.seals,
        )
        own = await self._block(delivered.height)
        return ChosenSet(
            sealed=await self._explain_seals(delivered, carried, header, own.header),
            contract=contract,
            proven=block.proven,
            own=own.before,
        )

    async def forge(self, basis: ForgeryBasis) -> Sequence[Forgery]:
        """Make a header that validators of the forger's own sealed, and one whose validators are proven under
        another block than its parent.
        """
        block = await self._block(basis.height)
        secret_of = make_up_signers(len(block.before.validators))
        by_strangers = ProvenBlock(
            dataclasses.replace(block.header, seals=_seal(block.header, secret_of)),
            block.parent,
            block.before._replace(validators=tuple(secret_of)),
        )
        older = dataclasses.replace(block.parent, timestamp=Timestamp(block.parent.timestamp - 1))
        return (
            Forgery("a header sealed by validators of the forger's own", self._encode(by_strangers, basis)),
            Forgery(
                "the validators proven under another block than the one before",
                self._encode(ProvenBlock(block.header, older, block.before), basis),
            ),
        )

    def _encode(self, block: ProvenBlock, basis: ForgeryBasis) -> bytes:
        return contract_mode.encode_proof(
            basis.nodes.storage_nodes[basis.slot],
            basis.nodes.account_nodes,
            block,
            self.client.params.contract,
            None,
            basis.account,
            basis.slot,
        )

    async def _block(self, height: Height) -> ProvenBlock:
        """Return a block with its seals, and with what the contract held before, as the chain's own node has
        it.
        """
        chain = self._opened.chain
        header = BareHeader.from_rpc(await chain.block(height), BftKind.QBFT)
        return await read_proven(chain, self.client, header)


class BftShowRole:
    """Implements ShowRole."""

    def begin(self, chain: LocalBftChain) -> str:
        """Leave the chain as it is: its blocks are sealed by a quorum and not by all, as on real chains."""
        return chain.describe().summary

    def open(self, chain: LocalBftChain, opened: OpenChain) -> BftShow | ContractModeShow:
        """Return what is shown of a chain."""
        by_contract = isinstance(opened.prover, ContractModeProver)
        return ContractModeShow(chain, opened) if by_contract else BftShow(chain, opened)


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


@dataclass(frozen=True, slots=True)
class ChosenSet:
    """A block as it was delivered, with what the contract held before. Implements TrustExplanation.

    Attributes:
        sealed: the header, with the list that its seals are counted by.
        contract: that chooses the validators, and where it keeps their list.
        proven: what the delivery says that it held under the block before.
        own: what it held there, as the chain itself has it.
    """

    sealed: SealedHeader
    contract: ValidatorContract
    proven: ReadSet
    own: SetProof

    @property
    def carried(self) -> Carried:
        """What the delivery brought."""
        return self.sealed.carried

    def explain(self, printer: Printer) -> bool:
        """Print the header and its seals, and that the contract chose those who sealed."""
        is_sealed = self.sealed.explain(printer)
        before, header = self.sealed.header.number - 1, self.sealed.header
        printer.heading("The list in the contract's storage: why these validators.")
        slot = int.from_bytes(self.contract.slot)
        printer.fact("contract", f"{hex_of(self.contract.address)}, its list in slot {slot:#x}")
        printer.fact("storage root", f"{hex_of(self.proven.storage_root)} after block {before}")
        if self.proven.set_hash is None:
            printer.say(
                f"  The light client on {self.sealed.destination} read the trusted set from that storage: no member was sent."
            )
        holds = (
            self.proven.storage_root == self.own.storage_root
            and set_hash(self.own.validators) == header.set_hash
        )
        text = f"after block {before} the contract on {self.sealed.source} has that storage, and these validators in it"
        return judge(printer, text, holds=holds) and is_sealed


def seal_as_strangers(header: BftHeader) -> BftHeader:
    """Return the same block as sealed by as many validators that the forger has made up."""
    secret_of = make_up_signers(len(header.validators))
    listed = dataclasses.replace(header, validators=tuple(secret_of), seals=())
    return dataclasses.replace(listed, seals=_seal(listed, secret_of))


def _seal(header: BftHeader, secret_of: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    digest = header.commit_seal_hash
    return tuple(ecdsa.sign(digest, secret) for secret in secret_of.values())


async def _read_trusted_set(destination: OpenChain, client: Address, block: Height | None = None) -> bytes:
    state = await destination.chain.call(Call(client, abi.CLIENT_TRUSTED_STATE), block)
    return decode_trusted_state(state).set_hash
