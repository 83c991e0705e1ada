# SPDX-License-Identifier: MIT
"""`EthereumLightClient` on a destination: how it is created, and how its answers are read.

`EthereumContract.view` serves an endpoint's owner, over a provider of the owner's own. The `decode_`
functions serve the prover, over distrusted providers: they check every length and raise RpcAnswerInvalid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from light_clients.client import Status
from light_clients.ethereum.client import EthereumState
from light_clients.ethereum.config import Slot
from light_clients.ethereum.params import MAX_FORKS, EthereumParams, WireFork, WireLayout
from relayer.chains.evm.abi import decode_bool, decode_words, encode_word
from relayer.chains.evm.contract_reader import ContractReader, address_of
from relayer.consensus.ethereum.config import EthereumConfig
from relayer.consensus.kind import ClientView, ConfiguredChain, ContractRole
from relayer.contracts import load
from relayer.errors import ConfigError, RpcAnswerInvalid

NAME: Final = "EthereumLightClient"

_WORD: Final = 32
#: Words of the contract's `Parameters`; the last is the offset of the list of forks.
_HEAD_WORDS: Final = 10
#: What the contract has for a next committee that it does not know.
_UNKNOWN: Final = bytes(32)


class EthereumInitialTrust(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a light client is deployed with: a finalized block, and who signs after it.

    Attributes:
        root: of the checkpoint that led there, 32 bytes.
        slot: of the finalized block.
        height: the number of its execution block.
        committee: SyncCommittee root of its period, 32 bytes.
        next_committee: that of the period after, 32 bytes; empty where it was not known.
    """

    root: bytes
    slot: int
    height: int
    committee: bytes
    next_committee: bytes


@dataclass(frozen=True, slots=True)
class EthereumClientView(ClientView):
    """An EthereumLightClient.

    Attributes:
        parameters: in the order of the contract's `Parameters`.
        committee: the SyncCommittee root of the trusted period, 32 bytes.
        next_committee: that of the period after, 32 bytes; None where it is not known.
    """

    parameters: tuple[Any, ...]
    committee: bytes
    next_committee: bytes | None

    @property
    def committee_size(self) -> int:
        """How many members a sync committee has."""
        return int(self.parameters[4])

    @property
    def threshold(self) -> int:
        """How many members must sign."""
        return int(self.parameters[5])

    @property
    def forks(self) -> Mapping[int, tuple[bytes, int]]:
        """Version (4 bytes) and layout of each fork, by the epoch from which on they are in force."""
        return {epoch: (bytes(version), layout) for epoch, version, layout in self.parameters[9]}

    def details(self) -> Mapping[str, Any]:
        """Return the committees, and how many members must sign."""
        return {
            "threshold": self.threshold,
            "committee_size": self.committee_size,
            "committee": self.committee,
            "next_committee": self.next_committee,
        }


class EthereumContract(ContractRole[EthereumConfig, EthereumClientView]):
    """The light client of a proof-of-stake chain on a destination: the kind's ContractRole."""

    storage_gas = 320_000

    def creation(
        self, authority: bytes, chain: ConfiguredChain[EthereumConfig], initial_trust: msgspec.Struct
    ) -> bytes:
        """Return the init code; `initial_trust` is an EthereumInitialTrust.

        Raises ConfigError for rules that no light client can have.
        """
        trust = msgspec.convert(initial_trust, EthereumInitialTrust, from_attributes=True)
        try:
            params = chain.consensus.params(chain.chain)
        except ValueError as error:
            raise ConfigError(
                str(error), "values that a light client can have", "Correct the config"
            ) from error
        return load(NAME).encode_creation(
            authority,
            encode_parameters(params),
            trust.slot,
            trust.committee,
            trust.next_committee or _UNKNOWN,
        )

    def bootstrap_call(self, chain: ConfiguredChain[EthereumConfig], initial_trust: msgspec.Struct) -> bytes:
        """Return the calldata of `bootstrap`; `initial_trust` is an EthereumInitialTrust."""
        del chain
        trust = msgspec.convert(initial_trust, EthereumInitialTrust, from_attributes=True)
        return load(NAME).encode_call(
            "bootstrap", trust.slot, trust.committee, trust.next_committee or _UNKNOWN
        )

    async def view(self, reader: ContractReader, address: bytes) -> EthereumClientView:
        """Read a client whose code is known to be of this kind. Raises ChainUnavailable."""
        functions = ("status", "trustedState", "parameters", "authority")
        values = await asyncio.gather(*(reader.ask(address, NAME, function) for function in functions))
        status, (slot, timestamp, committee, following, _), parameters, authority = values
        *_, period, drift, _, _ = parameters
        return EthereumClientView(
            contract=NAME,
            address=address,
            status=Status(status),
            height=slot,
            timestamp=timestamp,
            trusting_period_s=period,
            max_clock_drift_s=drift,
            authority=address_of(authority),
            parameters=tuple(parameters),
            committee=committee,
            next_committee=None if following == _UNKNOWN else following,
        )


CONTRACT: Final = EthereumContract()


def encode_parameters(params: EthereumParams) -> tuple[object, ...]:
    """Return the constructor's `Parameters` as eth_abi takes them (docs/reference/wire-formats.md §7.1)."""
    return (
        params.genesis_time,
        params.slot_duration_ms,
        params.slots_per_epoch,
        params.slots_per_period,
        params.committee_size,
        params.threshold,
        params.trusting_period_s,
        params.max_clock_drift_s,
        params.genesis_validators_root,
        [(fork.epoch, fork.version, int(fork.layout)) for fork in params.forks],
    )


def decode_trusted_state(data: bytes) -> EthereumState:
    """Decode the answer of `trustedState`: finalized slot, its time, committee, next committee, frozen.

    A next committee of zero means that it is not known. Raises RpcAnswerInvalid.
    """
    slot, _, committee, following, frozen = decode_words(data, 5, "trustedState's answer")
    if slot >> 64:
        raise RpcAnswerInvalid(f"a finalized slot {slot}", "a number of 64 bits")
    return EthereumState(
        Slot(slot),
        encode_word(committee),
        encode_word(following) if following else None,
        decode_bool(frozen, "frozen"),
    )


def decode_parameters(data: bytes) -> EthereumParams:
    """Decode the answer of `parameters`: one struct, whose last member is the list of forks.

    Raises RpcAnswerInvalid.
    """
    words = decode_words(data, 1 + _HEAD_WORDS + 1, "parameters' answer")
    if words[0] != _WORD or words[_HEAD_WORDS] != _WORD * _HEAD_WORDS:
        raise RpcAnswerInvalid(
            "parameters' answer with unusual offsets", f"{_WORD} and {_WORD * _HEAD_WORDS}"
        )
    count = words[_HEAD_WORDS + 1]
    if count > MAX_FORKS:
        raise RpcAnswerInvalid(f"{count} forks", f"at most {MAX_FORKS}")
    rows = decode_words(data, 1 + _HEAD_WORDS + 1 + 3 * count, "parameters' answer")[_HEAD_WORDS + 2 :]
    try:
        forks = tuple(
            WireFork(rows[at], encode_word(rows[at + 1])[:4], WireLayout(rows[at + 2]))
            for at in range(0, 3 * count, 3)
        )
        return EthereumParams(
            genesis_time=words[1],
            slot_duration_ms=words[2],
            slots_per_epoch=words[3],
            slots_per_period=words[4],
            committee_size=words[5],
            threshold=words[6],
            trusting_period_s=words[7],
            max_clock_drift_s=words[8],
            genesis_validators_root=encode_word(words[9]),
            forks=forks,
        )
    except ValueError as error:
        raise RpcAnswerInvalid(
            f"parameters that no light client has ({error})",
            "those of EthereumLightClient",
            "Is the registered client of another consensus?",
        ) from None
