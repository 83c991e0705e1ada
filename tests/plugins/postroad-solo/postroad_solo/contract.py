# SPDX-License-Identifier: MIT
"""`SoloLightClient` on a destination: its creation, and its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from light_clients.client import Height, Status, Timestamp
from postroad_solo.config import SoloConfig
from postroad_solo.rules import SoloState
from relayer.chains.base import Address, Call, Chain
from relayer.chains.evm import abi
from relayer.chains.evm.contract_reader import ContractReader, address_of
from relayer.consensus.kind import ClientView, ConfiguredChain, ContractRole
from relayer.contracts import load

NAME: Final = "SoloLightClient"


class InitialTrust(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a light client is told to believe first."""

    signer: bytes
    height: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class SoloClientView(ClientView):
    """A SoloLightClient. `signer` is 20 bytes."""

    signer: bytes

    def details(self) -> Mapping[str, Any]:
        """Whose blocks it believes."""
        return {"signer": self.signer}


class SoloContract(ContractRole[SoloConfig, SoloClientView]):
    """See ContractRole."""

    storage_gas = 60_000

    def creation(
        self, authority: bytes, chain: ConfiguredChain[SoloConfig], initial_trust: msgspec.Struct
    ) -> bytes:
        """The init code; `initial_trust` is an InitialTrust."""
        trust = msgspec.convert(initial_trust, InitialTrust, from_attributes=True)
        period_s, drift_s = chain.chain.trusting_period_s, chain.chain.max_clock_drift_s
        return load(NAME).encode_creation(
            authority, trust.signer, trust.height, trust.timestamp, period_s, drift_s
        )

    def bootstrap_call(self, chain: ConfiguredChain[SoloConfig], initial_trust: msgspec.Struct) -> bytes:
        """The calldata of `bootstrap`; its key can't be chosen anew. `initial_trust` is an InitialTrust."""
        del chain
        trust = msgspec.convert(initial_trust, InitialTrust, from_attributes=True)
        return load(NAME).encode_call("bootstrap", trust.height, trust.timestamp)

    async def view(self, reader: ContractReader, address: bytes) -> SoloClientView:
        """Read a client, whose code is known to be ours."""
        functions = ("status", "signer", "trustedState", "trustingPeriod", "maxClockDrift", "authority")
        values = await asyncio.gather(*(reader.ask(address, NAME, function) for function in functions))
        status, signer, (height, timestamp, _), period_s, drift_s, authority = values
        return SoloClientView(
            contract=NAME,
            address=address,
            status=Status(status),
            height=height,
            timestamp=timestamp,
            trusting_period_s=period_s,
            max_clock_drift_s=drift_s,
            authority=address_of(authority),
            signer=address_of(signer),
        )


CONTRACT: Final = SoloContract()


async def read_client(destination: Chain, client: Address) -> tuple[Status, SoloState, int]:
    """Read a client through distrusted providers: its status, its trusted state,
    its trusting period in seconds.
    """
    asked = (abi.CLIENT_STATUS, abi.CLIENT_TRUSTED_STATE, abi.CLIENT_TRUSTING_PERIOD)
    status, trusted, period = await asyncio.gather(*(destination.call(Call(client, data)) for data in asked))
    height, timestamp, frozen = abi.decode_words(trusted, 3, "trustedState's answer")
    state = SoloState(Height(height), Timestamp(timestamp), abi.decode_bool(frozen, "frozen"))
    return abi.decode_status(status), state, abi.decode_words(period, 1, "trustingPeriod's answer")[0]
