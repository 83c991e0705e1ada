# SPDX-License-Identifier: MIT
"""Why to believe a QBFT chain whose validators a contract chooses: the seals of those whom it names.

A head is verified with its parent: the contract's storage under the parent says whose turn it was. Where
that is another set than the trusted one, update_path.py leads there, change by change. Whatever is returned
has passed the light client, on the very bytes that are sent (INV-5, INV-7).

Our own trusted state follows every verified head to the head's parent, after which the contract still held
the trusted set. So the states that are asked for stay few blocks old, as long as the relayer runs.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

import msgspec

from light_clients.bft.contract_mode.client import ContractModeClient, ContractModeParams, ContractModeState
from light_clients.bft.contract_mode.codec import (
    ProvenBlock,
    encode_block,
    encode_misbehaviour,
    encode_proof,
)
from light_clients.bft.contract_mode.header import BareHeader
from light_clients.bft.contract_mode.validator_contract import ValidatorContract
from light_clients.bft.preimage import BftKind
from light_clients.bft.validators import check_set, set_hash
from light_clients.client import Height, Status, Timestamp
from light_clients.errors import HeaderRejected, Rejection
from relayer.chains.base import AccountProof, Address, Call, Chain, Head
from relayer.chains.evm import abi
from relayer.consensus.activity import require_active
from relayer.consensus.base import (
    DeliveryCost,
    OnChainClient,
    VerifiedHeader,
)
from relayer.consensus.bft import KIND
from relayer.consensus.bft.config import BftConfig, BootstrapConfig
from relayer.consensus.bft.contract import decode_trusted_state
from relayer.consensus.bft.contract_mode.update_path import ContractModePath, read_proven
from relayer.consensus.header_prover import HeaderProver, HeaderSource, to_verified
from relayer.consensus.kind import ConfiguredChain
from relayer.consensus.sources import BlockSource
from relayer.errors import MisbehaviourFound, RpcAnswerInvalid

T = TypeVar("T")

#: A state of another version is refused, and never misread.
_STATE_VERSION: Final = 1
#: Verified blocks that are kept, with their seals, for proofs; an older one is read again when it is needed.
_KEPT_BLOCKS: Final = 128
#: What a proof takes before its first message: the block, its parent, and the proofs of every member.
_FIRST_BASE_GAS: Final = 300_000

_VALIDATOR_CONTRACT: Final = abi.selector("validatorContract()")
_VALIDATOR_SLOT: Final = abi.selector("validatorSlot()")
#: Asks a light client for the contract's storage root that its trusted set was read from; 0 for none.
STORAGE_ROOT: Final = abi.selector("storageRoot()")


class ContractModeSource(BlockSource, HeaderSource, Protocol):
    """What is asked of the chain that is to be proven; relayer.chains.evm.chain.EvmChain offers it."""


class _ExportedContractModeState(msgspec.Struct):
    """The trusted state as the journal keeps it, in JSON."""

    version: int
    contract: str
    slot: str
    validators: list[str]
    height: int
    timestamp: int
    frozen: bool


class ContractModeProver(HeaderProver[ContractModeSource, ContractModeClient, ProvenBlock]):
    """Proves one chain whose validators a contract chooses. Implements relayer.consensus.base.Prover.

    Args:
        source: the chain that is proven.
        params: what its light clients are deployed with.
        validators: the contract's list after the block at `height`, 20 bytes each, in its order.
        height: where trust begins, at least 1.
        timestamp: of that block, in seconds.
        clock: our own time, in seconds since 1970.
    """

    signers = KIND.signers
    #: More than the defaults, for the proof of whose turn it was.
    costs = DeliveryCost(first_base_gas=_FIRST_BASE_GAS)

    def __init__(
        self,
        source: ContractModeSource,
        params: ContractModeParams,
        validators: Sequence[bytes],
        height: Height,
        timestamp: Timestamp,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(source, ContractModeClient.bootstrap(params, validators, height, timestamp), clock)
        self._validators = tuple(validators)
        self._blocks: OrderedDict[Height, ProvenBlock] = OrderedDict()
        self._newest: ProvenBlock | None = None
        # The first block that the trusted set sealed; 0 while it is the one that we began with.
        self._sealing_since = Height(0)
        # The contract's storage roots that clients on destinations know.
        self._known_roots: dict[tuple[str, Address], bytes | None] = {}
        self._lock = asyncio.Lock()

    @property
    def client_of_proofs(self) -> ContractModeClient:
        """Our own, with the contract's storage root that the clients know which proofs are sent to."""
        # One proof serves every destination, so the list is left out only where all know the storage.
        roots = set(self._known_roots.values())
        known = roots.pop() if len(roots) == 1 else None
        return replace(self._client, state=replace(self._client.state, storage_root=known))

    @property
    def validators(self) -> tuple[bytes, ...]:
        """The trusted set, 20 bytes each, in the contract's order."""
        return self._validators

    async def verify_head(self, head: Head, *, wanted: bool = True) -> VerifiedHeader:  # noqa: ARG002  always
        """Verify the block of a head's number, and follow every change of the validators up to it.

        Raises:
            Rejection: the header is not to be believed.
            ClientExpired, ClientFrozen: our own light client is, and the configuration needs a newer
                bootstrap.
            ChainUnavailable: no provider has a header and proofs that are to be believed.
            NotFoundYet: nobody has the block yet, or the state of a block on the way any more.
            MisbehaviourFound: another block of this height was verified before.
        """
        async with self._lock:
            self._check_own()
            # The head's hash is hearsay. It decides only whether a block that was verified before will do.
            known = self._blocks.get(head.number)
            if known is not None and known.header.block_hash == head.hash:
                return to_verified(known.header)
            header = await self._source.checked_block(head.number, _read_bare)
            block = await read_proven(self._source, self._client, header)
            if set_hash(block.before.validators) != self._client.state.set_hash:
                await self._follow(header.number)
            self._check(block)
            self._keep(block)
            return to_verified(block.header)

    async def _find_verified(self, header: VerifiedHeader) -> ProvenBlock:
        block = self._blocks.get(header.number)
        if block is None or block.header.block_hash != header.hash:
            again = await self._source.checked_block(header.number, lambda told: _read_again(told, header))
            block = await read_proven(self._source, self._client, again)
        # The validators may have changed since it was verified, and then the contract would refuse the proof.
        self._check(block)
        return block

    def _encode_proof(self, block: ProvenBlock, account: Address, slot: bytes, proof: AccountProof) -> bytes:
        client = self.client_of_proofs
        contract, known = client.params.contract, client.state.storage_root
        return encode_proof(
            proof.storage_nodes[slot], proof.account_nodes, block, contract, known, account, slot
        )

    async def client_at(self, destination: Chain, client: Address) -> OnChainClient:
        """Read this chain's light client on a destination.

        It is current when it trusts our set, and knows a storage root: without one every proof has to carry
        the whole list.

        Raises RpcAnswerInvalid for a client of another contract, ChainUnavailable.
        """
        status, found = await self._read_client(destination, client)
        self._known_roots[destination.name, client] = found.state.storage_root
        current = found.state.set_hash == self._client.state.set_hash and found.state.storage_root is not None
        return OnChainClient(
            client,
            status,
            found.state.height,
            found.state.timestamp,
            found.params.trusting_period_s,
            current,
            self._sealing_since if current else Height(0),
        )

    async def updates_for(self, destination: Chain, client: Address) -> tuple[bytes, ...]:
        """Return the arguments of `update`, in order, that bring a client to our own trusted state.

        After a very long absence it is the first part of the way; ask again once these are on chain.

        Raises:
            ClientExpired, ClientFrozen: no update can help.
            ChainUnavailable, NotFoundYet: no provider's headers and proofs lead there.
        """
        target = self._client.state.height
        status, found = await self._read_client(destination, client)
        require_active(status, client, found.state.timestamp + found.params.trusting_period_s)
        # The contract judges by its own chain's clock, which can't run behind its newest block.
        path = ContractModePath(self._source, found, (await destination.head()).timestamp)
        if await path.lead_to_turn(target) and target > path.client.state.height:
            await path.renew(target)
        return tuple(path.updates)

    async def look_for_misbehaviour(self, number: Height | None = None) -> bytes | None:
        """Compare what all providers say of a verified block, by default of the newest one.

        Returns:
            The argument of `freeze` when an answer and the verified block together prove misbehaviour of the
            validators; else None. Answers that differ without proving that are only wrong answers.
        """
        known = self._newest if number is None else self._blocks.get(number)
        if known is None:
            return None
        for _, told in await self._source.blocks_of_everyone(known.header.number):
            try:
                header = _read_bare(told)
            except Rejection:
                continue
            if header.block_hash == known.header.block_hash or header.parent_hash != known.header.parent_hash:
                continue
            try:
                return self._freeze_data(known, replace(known, header=header))
            except Rejection:
                continue
        return None

    def export_state(self) -> bytes:
        """Return the trusted state, for the journal."""
        state, contract = self._client.state, self._client.params.contract
        return msgspec.json.encode(
            _ExportedContractModeState(
                _STATE_VERSION,
                contract.address.hex(),
                contract.slot.hex(),
                [validator.hex() for validator in self._validators],
                state.height,
                state.timestamp,
                state.frozen,
            )
        )

    def import_state(self, state: bytes) -> None:
        """Take over a state that `export_state` gave, unless it is older than the configured bootstrap.

        An operator who configures a newer bootstrap wants trust to begin there. Raises ValueError for
        anything that is no such state, or is one of another contract.
        """
        try:
            found = msgspec.json.decode(state, type=_ExportedContractModeState)
            validators = tuple(bytes.fromhex(text) for text in found.validators)
            contract = ValidatorContract(bytes.fromhex(found.contract), bytes.fromhex(found.slot))
            check_set(validators)
        except (msgspec.DecodeError, ValueError, Rejection) as error:
            raise ValueError(f"found a prover's state that can't be read ({error}), expected one") from error
        expected = self._client.params.contract
        if found.version != _STATE_VERSION or contract != expected or found.height < 1:
            raise ValueError(
                f"found a prover's state of version {found.version} for the validator contract 0x{found.contract[:40]}"
                f" at height {found.height}, expected version {_STATE_VERSION} for 0x{expected.address.hex()}"
            )
        if found.height < self._client.state.height:
            return
        self._validators = validators
        trusted = ContractModeState(
            set_hash(validators), Height(found.height), Timestamp(found.timestamp), frozen=found.frozen
        )
        self._client = replace(self._client, state=trusted)

    # --- verifying ------------------------------------------------------------------------------------------

    async def _follow(self, number: Height) -> None:
        """Lead our own light client to the set that seals a block.

        What was reached is kept when the way breaks off.
        """
        while True:
            path = ContractModePath(self._source, self._client, self._now())
            try:
                is_there = await path.lead_to_turn(number)
            finally:
                if path.updates:
                    self._client, self._validators = path.client, path.validators
                    self._sealing_since = Height(path.client.state.height + 1)
            if is_there:
                return

    def _check(self, block: ProvenBlock) -> None:
        """Check a block by the light client's own rules for an anchor, which moves nothing else."""
        encoded = encode_block(block, self._client.params.contract, None, with_state_root=True)
        self._client.anchor(encoded, self._now())

    def _keep(self, block: ProvenBlock) -> None:
        number = block.header.number
        before = self._blocks.get(number)
        if before is not None and before.header.block_hash != block.header.block_hash:
            raise MisbehaviourFound(
                f"two sealed blocks {number}: 0x{before.header.block_hash.hex()} and "
                f"0x{block.header.block_hash.hex()}",
                self._freeze_data(before, block),
            )
        self._validators = block.before.validators
        self._blocks[number] = block
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        if self._newest is None or number > self._newest.header.number:
            self._newest = block
        parent, state = block.parent, self._client.state
        if parent.number > state.height and parent.timestamp >= state.timestamp:
            # After the parent the contract held the trusted set, as the block has just shown.
            moved = replace(state, height=parent.number, timestamp=parent.timestamp)
            self._client = replace(self._client, state=moved)

    def _freeze_data(self, first: ProvenBlock, second: ProvenBlock) -> bytes:
        data = encode_misbehaviour(first, second, self._client.params.contract, None)
        self._client.freeze(data)
        return data

    async def _read_client(self, destination: Chain, client: Address) -> tuple[Status, ContractModeClient]:
        """Read a client through a chain's distrusted providers.

        Raises:
            RpcAnswerInvalid: it follows another contract, or is no such client.
            ChainUnavailable: no provider answers.
        """
        asked = (
            abi.CLIENT_STATUS,
            abi.CLIENT_TRUSTED_STATE,
            abi.CLIENT_TRUSTING_PERIOD,
            abi.CLIENT_MAX_CLOCK_DRIFT,
            _VALIDATOR_CONTRACT,
            _VALIDATOR_SLOT,
            STORAGE_ROOT,
        )
        answers = await asyncio.gather(*(destination.call(Call(client, data)) for data in asked))
        period, drift, contract, slot, root = (
            abi.decode_words(answer, 1, "a light client's answer")[0] for answer in answers[2:]
        )
        found = ValidatorContract(
            abi.decode_address(contract, "validatorContract's answer"), abi.encode_word(slot)
        )
        expected = self._client.params.contract
        if found != expected:
            raise RpcAnswerInvalid(
                f"a light client at 0x{client.hex()} for slot {slot:#x} of 0x{found.address.hex()}",
                f"slot {int.from_bytes(expected.slot):#x} of 0x{expected.address.hex()}",
                "Is the contract that chooses the chain's validators configured right?",
            )
        trusted = decode_trusted_state(answers[1])
        state = ContractModeState(
            trusted.set_hash,
            trusted.height,
            trusted.timestamp,
            frozen=trusted.frozen,
            storage_root=abi.encode_word(root) if root else None,
        )
        return abi.decode_status(answers[0]), ContractModeClient(
            ContractModeParams(found, period, drift), state
        )


def _read_bare(block: Mapping[str, Any]) -> BareHeader:
    return BareHeader.from_rpc(block, BftKind.QBFT)


def _read_again(block: Mapping[str, Any], header: VerifiedHeader) -> BareHeader:
    found = _read_bare(block)
    if found.block_hash != header.hash:
        raise HeaderRejected("another block", found=found.block_hash, expected=header.hash)
    return found


def open_contract_mode(
    chain: ConfiguredChain[BftConfig], bootstrap: BootstrapConfig, source: ContractModeSource
) -> ContractModeProver:
    """Build the prover of a configured chain whose validators a contract chooses."""
    params = ContractModeParams(
        chain.consensus.validator_contract, chain.chain.trusting_period_s, chain.chain.max_clock_drift_s
    )
    return ContractModeProver(
        source,
        params,
        tuple(map(bytes, bootstrap.validators)),
        Height(bootstrap.height),
        Timestamp(bootstrap.timestamp),
    )
