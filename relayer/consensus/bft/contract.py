# SPDX-License-Identifier: MIT
"""`BftLightClient` on a destination: its creation, and its answers.

What comes back from a chain is hostile.
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


class InitialTrust(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a light client is told to believe first: who seals the block at a height,
    and its time in seconds.
    """

    height: int
    timestamp: int
    validators: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BftClientView(ClientView):
    """A BftLightClient. `set_hash` is 32 bytes."""

    protocol: int
    set_hash: bytes

    def details(self) -> Mapping[str, Any]:
        """The protocol, and the hash of the trusted set."""
        return {"protocol": BftKind(self.protocol).name.lower(), "set_hash": self.set_hash}


class BftContract(ContractRole[BftConfig, BftClientView]):
    """See ContractRole."""

    storage_gas = 150_000

    def creation(
        self, authority: bytes, chain: ConfiguredChain[BftConfig], initial_trust: msgspec.Struct
    ) -> bytes:
        """The init code; `initial_trust` is an InitialTrust."""
        trust = msgspec.convert(initial_trust, InitialTrust, from_attributes=True)
        return load(NAME).encode_creation(
            authority,
            int(chain.consensus.variant),
            list(trust.validators),
            trust.height,
            trust.timestamp,
            chain.chain.trusting_period_s,
            chain.chain.max_clock_drift_s,
        )

    async def view(self, reader: ContractReader, address: bytes) -> BftClientView:
        """Read a client, whose code is known to be ours."""
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
    """A destination's client, as its contract tells."""

    status: Status
    params: BftParams
    state: BftState


async def read_client(destination: Chain, client: Address, kind: BftKind) -> OnChainState:
    """Read a client through a chain's distrusted providers.

    Raises RpcAnswerInvalid for a client of another protocol.
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
    """The answer of `trustedState`: set hash, height, timestamp, frozen. Raises RpcAnswerInvalid."""
    set_hash, height, timestamp, frozen = abi.decode_words(data, 4, "trustedState's answer")
    return BftState(
        abi.encode_word(set_hash), Height(height), Timestamp(timestamp), abi.decode_bool(frozen, "frozen")
    )
