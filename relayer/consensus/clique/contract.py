# SPDX-License-Identifier: MIT
"""`CliqueLightClient` on a destination: how it is created, and how its answers are read.

`CliqueContract.view` serves an endpoint's owner, over a provider of the owner's own. `read_client` serves the
prover, over distrusted providers, so that every answer is checked for its shape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from light_clients.client import Height, Status, Timestamp
from light_clients.clique.client import CliqueParams, CliqueState
from relayer.chains.base import Address, Call, Chain
from relayer.chains.evm import abi
from relayer.chains.evm.contract_reader import ContractReader, address_of
from relayer.consensus.clique.config import CliqueConfig
from relayer.consensus.kind import ClientView, ConfiguredChain, ContractRole
from relayer.contracts import load
from relayer.errors import RpcAnswerInvalid

NAME: Final = "CliqueLightClient"


class CliqueInitialTrust(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a light client is deployed with: a height, the time of its block in seconds, and the signers
    that may seal the next block.

    A signer has 20 bytes; they ascend.
    """

    height: int
    timestamp: int
    signers: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CliqueClientView(ClientView):
    """A CliqueLightClient. `set_hash` is the trusted set's, 32 bytes."""

    epoch: int
    extra_depth: int
    set_hash: bytes

    def details(self) -> Mapping[str, Any]:
        """Return the rules that it was deployed with, and the hash of the trusted set."""
        return {"epoch": self.epoch, "extra_depth": self.extra_depth, "set_hash": self.set_hash}


class CliqueContract(ContractRole[CliqueConfig, CliqueClientView]):
    """The light client of a Clique chain on a destination: the kind's ContractRole."""

    storage_gas = 150_000

    def creation(
        self, authority: bytes, chain: ConfiguredChain[CliqueConfig], initial_trust: msgspec.Struct
    ) -> bytes:
        """Return the init code; `initial_trust` is a CliqueInitialTrust."""
        trust = msgspec.convert(initial_trust, CliqueInitialTrust, from_attributes=True)
        return load(NAME).encode_creation(
            authority,
            chain.consensus.epoch,
            chain.consensus.extra_depth,
            list(trust.signers),
            trust.height,
            trust.timestamp,
            chain.chain.trusting_period_s,
            chain.chain.max_clock_drift_s,
        )

    def bootstrap_call(self, chain: ConfiguredChain[CliqueConfig], initial_trust: msgspec.Struct) -> bytes:
        """Return the calldata of `bootstrap`; `initial_trust` is a CliqueInitialTrust."""
        del chain
        trust = msgspec.convert(initial_trust, CliqueInitialTrust, from_attributes=True)
        return load(NAME).encode_call("bootstrap", list(trust.signers), trust.height, trust.timestamp)

    async def view(self, reader: ContractReader, address: bytes) -> CliqueClientView:
        """Read a client whose code is known to be of this kind. Raises ChainUnavailable."""
        functions = (
            "status",
            "epoch",
            "extraDepth",
            "trustedState",
            "trustingPeriod",
            "maxClockDrift",
            "authority",
        )
        values = await asyncio.gather(*(reader.ask(address, NAME, function) for function in functions))
        status, epoch, extra_depth, (trusted, height, timestamp, _), period, drift, authority = values
        return CliqueClientView(
            contract=NAME,
            address=address,
            status=Status(status),
            height=height,
            timestamp=timestamp,
            trusting_period_s=period,
            max_clock_drift_s=drift,
            authority=address_of(authority),
            epoch=epoch,
            extra_depth=extra_depth,
            set_hash=trusted,
        )


CONTRACT: Final = CliqueContract()

_EPOCH: Final = load(NAME).encode_call("epoch")
_EXTRA_DEPTH: Final = load(NAME).encode_call("extraDepth")


@dataclass(frozen=True, slots=True)
class OnChainClique:
    """A destination's light client, as a provider tells what its contract answers."""

    status: Status
    params: CliqueParams
    state: CliqueState


async def read_client(destination: Chain, client: Address) -> OnChainClique:
    """Read a client through a chain's distrusted providers.

    Args:
        destination: the chain that the client stands on.
        client: its address, 20 bytes.

    Raises:
        RpcAnswerInvalid: it is no such contract.
        ChainUnavailable: no provider answers.
    """
    asked = {
        "status": abi.CLIENT_STATUS,
        "trustedState": abi.CLIENT_TRUSTED_STATE,
        "epoch": _EPOCH,
        "extraDepth": _EXTRA_DEPTH,
        "trustingPeriod": abi.CLIENT_TRUSTING_PERIOD,
        "maxClockDrift": abi.CLIENT_MAX_CLOCK_DRIFT,
    }
    answers = await asyncio.gather(*(destination.call(Call(client, data)) for data in asked.values()))
    status, trusted, *numbers = answers
    names = list(asked)[2:]
    values = [
        abi.decode_words(answer, 1, f"{name}'s answer")[0]
        for name, answer in zip(names, numbers, strict=True)
    ]
    params = CliqueParams(*values)
    if params.epoch < 1:
        raise RpcAnswerInvalid(
            f"a light client of epoch 0 at 0x{client.hex()}",
            "an epoch of at least 1",
            "Is it a CliqueLightClient?",
        )
    return OnChainClique(abi.decode_status(status), params, decode_trusted_state(trusted))


def decode_trusted_state(data: bytes) -> CliqueState:
    """Decode the answer of `trustedState`: set hash, height, timestamp, frozen. Raises RpcAnswerInvalid."""
    set_hash, height, timestamp, frozen = abi.decode_words(data, 4, "trustedState's answer")
    return CliqueState(
        abi.encode_word(set_hash), Height(height), Timestamp(timestamp), abi.decode_bool(frozen, "frozen")
    )
