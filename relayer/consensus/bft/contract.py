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
from light_clients.bft.preimage import BftKind
from light_clients.client import Height, Status, Timestamp
from relayer.chains.base import Address, Call, Chain
from relayer.chains.evm import abi
from relayer.chains.evm.contract_reader import ContractReader, address_of
from relayer.consensus.bft.config import BftConfig
from relayer.consensus.kind import ClientView, ConfiguredChain, ContractRole
from relayer.contracts import load
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
    """A BftLightClient. `protocol` is a BftKind's value, `set_hash` the trusted set's, 32 bytes."""

    protocol: int
    set_hash: bytes

    def details(self) -> Mapping[str, Any]:
        """Return the protocol, and the hash of the trusted set."""
        return {"protocol": BftKind(self.protocol).name.lower(), "set_hash": self.set_hash}


class BftContract(ContractRole[BftConfig, BftClientView]):
    """The light client of a BFT chain on a destination: the kind's ContractRole."""

    storage_gas = 150_000

    def creation(
        self, authority: bytes, chain: ConfiguredChain[BftConfig], initial_trust: msgspec.Struct
    ) -> bytes:
        """Return the init code; `initial_trust` is a BftInitialTrust."""
        trust = msgspec.convert(initial_trust, BftInitialTrust, from_attributes=True)
        return load(NAME).encode_creation(
            authority,
            int(chain.consensus.variant),
            list(trust.validators),
            trust.height,
            trust.timestamp,
            chain.chain.trusting_period_s,
            chain.chain.max_clock_drift_s,
        )

    def bootstrap_call(self, chain: ConfiguredChain[BftConfig], initial_trust: msgspec.Struct) -> bytes:
        """Return the calldata of `bootstrap`; `initial_trust` is a BftInitialTrust."""
        del chain
        trust = msgspec.convert(initial_trust, BftInitialTrust, from_attributes=True)
        return load(NAME).encode_call("bootstrap", list(trust.validators), trust.height, trust.timestamp)

    async def view(self, reader: ContractReader, address: bytes) -> BftClientView:
        """Read a client whose code is known to be of this kind. Raises ChainUnavailable."""
        functions = ("status", "kind", "trustedState", "trustingPeriod", "maxClockDrift", "authority")
        values = await asyncio.gather(*(reader.ask(address, NAME, function) for function in functions))
        status, kind, (trusted, height, timestamp, _), period, drift, authority = values
        return BftClientView(
            contract=NAME,
            address=address,
            status=Status(status),
            height=height,
            timestamp=timestamp,
            trusting_period_s=period,
            max_clock_drift_s=drift,
            authority=address_of(authority),
            protocol=kind,
            set_hash=trusted,
        )


CONTRACT: Final = BftContract()


@dataclass(frozen=True, slots=True)
class OnChainState:
    """A destination's light client, as a provider tells what its contract answers."""

    status: Status
    params: BftParams
    state: BftState


async def read_client(destination: Chain, client: Address, kind: BftKind) -> OnChainState:
    """Read a client through a chain's distrusted providers.

    Args:
        destination: the chain that the client stands on.
        client: its address, 20 bytes.
        kind: the protocol that it must be of.

    Raises:
        RpcAnswerInvalid: it is of another protocol, or no such contract.
        ChainUnavailable: no provider answers.
    """
    asked = (
        abi.CLIENT_STATUS,
        abi.CLIENT_TRUSTED_STATE,
        abi.CLIENT_KIND,
        abi.CLIENT_TRUSTING_PERIOD,
        abi.CLIENT_MAX_CLOCK_DRIFT,
    )
    answers = await asyncio.gather(*(destination.call(Call(client, data)) for data in asked))
    found = abi.decode_words(answers[2], 1, "kind's answer")[0]
    if found != kind.value:
        raise RpcAnswerInvalid(
            f"a light client of kind {found} at 0x{client.hex()}",
            f"kind {kind.value} ({kind.name.lower()})",
            "Is the chain's consensus configured right?",
        )
    params = BftParams(
        kind,
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
