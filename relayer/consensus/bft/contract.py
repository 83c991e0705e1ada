# SPDX-License-Identifier: MIT
"""`BftLightClient` on a destination: how it is created, and how its answers are read.

There are two ways to read one. `BftContract.view` serves an endpoint's owner, over a provider of the
owner's own. `read_client` serves the prover, over distrusted providers, so that every answer is
checked for its shape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from light_clients.bft.client import BftParams, BftState
from light_clients.bft.contract_mode.validator_contract import ValidatorContract
from light_clients.bft.preimage import BftKind, BftKinds, KindChange
from light_clients.client import Height, Status, Timestamp
from relayer.chains.base import Address, Call, Chain
from relayer.chains.evm import abi
from relayer.chains.evm.contract_reader import ContractReader, address_of
from relayer.consensus.bft.config import PROTOCOLS, VALIDATOR_CONTRACT_CLIENT, BftConfig, name_kinds
from relayer.consensus.kind import ClientView, ConfiguredChain, ContractRole
from relayer.contracts import load, recognise
from relayer.errors import RpcAnswerInvalid

NAME: Final = "BftLightClient"


class BftInitialTrust(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a light client is deployed with: who seals the block at a height, and its time in seconds.

    A validator has 20 bytes; they stand in the order of the header.
    """

    height: int
    timestamp: int
    validators: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BftClientView(ClientView):
    """A BftLightClient. `kinds` is what it reads, `set_hash` the trusted set's, 32 bytes."""

    kinds: BftKinds
    set_hash: bytes

    def details(self) -> Mapping[str, Any]:
        """Return the protocol, and where there are two the next one and its first block; and the hash of the
        trusted set.
        """
        return {**name_kinds(self.kinds), "set_hash": self.set_hash}


@dataclass(frozen=True, slots=True)
class ContractModeView(BftClientView):
    """A BftValidatorContractLightClient: it reads QBFT.

    Attributes:
        validators: where the contract that chooses the validators keeps their list.
        storage_root: of that contract, from which the trusted set was read last, 32 bytes; zero after an
            admin chose the set.
    """

    validators: ValidatorContract
    storage_root: bytes

    def details(self) -> Mapping[str, Any]:
        """Return what BftClientView does, and where the list of validators is."""
        return {
            **BftClientView.details(self),
            "validator_contract": self.validators.address,
            "validator_slot": self.validators.slot,
        }


class BftContract(ContractRole[BftConfig, BftClientView]):
    """The light client of a BFT chain on a destination: the kind's ContractRole."""

    storage_gas = 150_000

    def creation(
        self, authority: bytes, chain: ConfiguredChain[BftConfig], initial_trust: msgspec.Struct
    ) -> bytes:
        """Return the init code; `initial_trust` is a BftInitialTrust."""
        trust = msgspec.convert(initial_trust, BftInitialTrust, from_attributes=True)
        contract, consensus = chain.consensus.contract, chain.consensus
        first = consensus.kinds.arguments() if contract is None else consensus.validator_contract.arguments()
        return load(contract or NAME).encode_creation(
            authority,
            *first,
            list(trust.validators),
            trust.height,
            trust.timestamp,
            chain.chain.trusting_period_s,
            chain.chain.max_clock_drift_s,
        )

    def bootstrap_call(self, chain: ConfiguredChain[BftConfig], initial_trust: msgspec.Struct) -> bytes:
        """Return the calldata of `bootstrap`; `initial_trust` is a BftInitialTrust."""
        trust = msgspec.convert(initial_trust, BftInitialTrust, from_attributes=True)
        return load(chain.consensus.contract or NAME).encode_call(
            "bootstrap", list(trust.validators), trust.height, trust.timestamp
        )

    async def view(self, reader: ContractReader, address: bytes) -> BftClientView:
        """Read a client whose code is known to be of this kind. Raises ChainUnavailable."""
        if recognise(VALIDATOR_CONTRACT_CLIENT, await reader.node.code(address)) is not None:
            return await _view_contract_mode(reader, address)
        functions = ("status", "kinds", "trustedState", "trustingPeriod", "maxClockDrift", "authority")
        values = await asyncio.gather(*(reader.ask(address, NAME, function) for function in functions))
        status, kinds, (trusted, height, timestamp, _), period, drift, authority = values
        return BftClientView(
            contract=NAME,
            address=address,
            status=Status(status),
            height=height,
            timestamp=timestamp,
            trusting_period_s=period,
            max_clock_drift_s=drift,
            authority=address_of(authority),
            kinds=_kinds_of(*kinds),
            set_hash=trusted,
        )


CONTRACT: Final = BftContract()


async def _view_contract_mode(reader: ContractReader, address: bytes) -> ContractModeView:
    functions = (
        "status",
        "trustedState",
        "trustingPeriod",
        "maxClockDrift",
        "authority",
        "validatorContract",
        "validatorSlot",
        "storageRoot",
    )
    name = VALIDATOR_CONTRACT_CLIENT
    values = await asyncio.gather(*(reader.ask(address, name, function) for function in functions))
    status, (trusted, height, timestamp, _), period, drift, authority, contract, slot, root = values
    return ContractModeView(
        contract=name,
        address=address,
        status=Status(status),
        height=height,
        timestamp=timestamp,
        trusting_period_s=period,
        max_clock_drift_s=drift,
        authority=address_of(authority),
        kinds=BftKind.QBFT,
        set_hash=trusted,
        validators=ValidatorContract(address_of(contract), slot),
        storage_root=root,
    )


@dataclass(frozen=True, slots=True)
class OnChainState:
    """A destination's light client, as a provider tells what its contract answers."""

    status: Status
    params: BftParams
    state: BftState


async def read_client(destination: Chain, client: Address) -> OnChainState:
    """Read a client through a chain's distrusted providers.

    Args:
        destination: the chain that the client stands on.
        client: its address, 20 bytes.

    Raises:
        RpcAnswerInvalid: it is no such contract, or of a protocol that is not known.
        ChainUnavailable: no provider answers.
    """
    asked = (
        abi.CLIENT_STATUS,
        abi.CLIENT_TRUSTED_STATE,
        abi.CLIENT_KINDS,
        abi.CLIENT_TRUSTING_PERIOD,
        abi.CLIENT_MAX_CLOCK_DRIFT,
    )
    answers = await asyncio.gather(*(destination.call(Call(client, data)) for data in asked))
    try:
        kinds = _kinds_of(*abi.decode_words(answers[2], 3, "kinds' answer"))
    except ValueError as error:
        raise RpcAnswerInvalid(
            f"a light client of an unknown protocol at 0x{client.hex()} ({error})",
            f"one of {', '.join(PROTOCOLS)}",
            "Is the chain's consensus configured right?",
        ) from error
    params = BftParams(
        kinds,
        abi.decode_words(answers[3], 1, "trustingPeriod's answer")[0],
        abi.decode_words(answers[4], 1, "maxClockDrift's answer")[0],
    )
    return OnChainState(abi.decode_status(answers[0]), params, decode_trusted_state(answers[1]))


def decode_trusted_state(data: bytes) -> BftState:
    """Decode the answer of `trustedState`: set hash, height, timestamp, frozen. Raises RpcAnswerInvalid."""
    set_hash, height, timestamp, frozen = abi.decode_words(data, 4, "trustedState's answer")
    return BftState(
        abi.encode_word(set_hash), Height(height), Timestamp(timestamp), abi.decode_bool(frozen, "frozen")
    )


def _kinds_of(first: int, later: int, later_from: int) -> BftKinds:
    """Return what the contract's `kinds` says. Raises ValueError for a protocol that is not known."""
    change = KindChange(BftKind(first), BftKind(later), later_from)
    return change.later if later_from == 0 or change.first is change.later else change
