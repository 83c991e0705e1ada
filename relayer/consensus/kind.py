# SPDX-License-Identifier: MIT
"""What differs from consensus to consensus when endpoints are planned, deployed, opened and checked: one module each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from light_clients.client import Status
from relayer.chains.evm.chain import EvmChain
from relayer.chains.evm.contract_reader import ContractReader
from relayer.chains.evm.node import Node
from relayer.chains.provider_pool import OnRpcError
from relayer.config import AnyBootstrap, ChainConfig, NetworkName, NetworkTable, SecretUrl
from relayer.consensus.base import Prover
from relayer.consensus.findings import Finding
from relayer.endpoint.manifest import Bootstrap, Checkpoint


class Trust(Protocol):
    """What a survey found that trust in a chain can begin with."""

    def record(self) -> Bootstrap | Checkpoint:
        """What a light client is deployed with, as the manifest keeps it."""
        ...

    def setting(self) -> AnyBootstrap:
        """The same as the configuration has it."""
        ...

    def network(self) -> NetworkName | NetworkTable | None:
        """The beacon chain's network as the configuration has it; None for other chains."""
        ...

    def describe(self, on: str, remote: str) -> Sequence[str]:
        """What is to be compared by a person before the chain `on` trusts it: lines of text."""
        ...

    def conflict(self, other: Trust) -> Conflict | None:
        """Why headers of this chain could pass for the other's; None where they can't."""
        ...


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two chains that can't be told apart by what is signed on them."""

    found: str
    expected: str
    advice: str


@dataclass(frozen=True, slots=True)
class ClientView:
    """A light client as it stands on a chain. Times in seconds; `height` is a block number, or a finalized slot."""

    contract: str
    address: bytes
    status: Status
    height: int
    timestamp: int
    trusting_period_s: int
    max_clock_drift_s: int
    authority: bytes

    def details(self) -> Mapping[str, Any]:
        """What this kind of client has besides, for `--json`."""
        return {}


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class OpenProver:
    """A prover in use. `check` asks once whether the configuration is of this chain, and raises ConfigError if not."""

    prover: Prover
    check: Callable[[], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing


class Consensus(Protocol):
    """One kind of consensus."""

    @property
    def contract(self) -> str:
        """The light client that a destination runs."""
        ...

    @property
    def storage_gas(self) -> int:
        """About what its constructor takes besides its code and calldata."""
        ...

    @property
    def misbehaviour(self) -> str:
        """What has happened where a client is frozen."""
        ...

    def refuse_head(self, chain: ChainConfig, head: Mapping[str, Any]) -> str | None:
        """Why a block that a provider gives as its newest can't be of this consensus; None where it can."""
        ...

    def looks_like(self, head: Mapping[str, Any]) -> bool:
        """Whether a block looks like one of this consensus."""
        ...

    async def check_beacon(self, name: str, chain: ChainConfig, url: SecretUrl) -> list[Finding]:
        """Look at one Beacon API, where the consensus has any."""
        ...

    def believe(
        self,
        name: str,
        chain: ChainConfig,
        bootstrap: AnyBootstrap,
        source: EvmChain,
        on_error: OnRpcError | None = None,
    ) -> OpenProver:
        """Build the prover. Nothing is asked of the chain yet. Raises ConfigError."""
        ...

    async def survey(
        self, node: Node, chain: ChainConfig, head: Mapping[str, Any]
    ) -> tuple[Trust | None, list[Finding]]:
        """Read what trust can begin with, unverified. `head` is the node's newest block. Raises ChainUnavailable."""
        ...

    async def follow(
        self, name: str, chain: ChainConfig, genesis_hash: bytes, trust: Trust
    ) -> tuple[Trust | None, list[Finding]]:
        """Lead from the configured bootstrap to what a light client is deployed with; None where nothing leads there.

        A provider alone could show anything at all; what the owners have said it can't.
        """
        ...

    async def survey_destination(self, node: Node, source: str) -> list[Finding]:
        """What speaks against a light client of `source` on the chain of `node`. Raises ChainUnavailable."""
        ...

    def creation(self, authority: bytes, chain: ChainConfig, begun: Bootstrap | Checkpoint) -> bytes:
        """The init code of a light client."""
        ...

    async def view(self, caller: ContractReader, address: bytes) -> ClientView:
        """Read a client of this kind, whose code is known to be ours."""
        ...

    def judge(
        self, subject: str, on: str, remote: str, client: ClientView, chain: ChainConfig, trust: Trust | None
    ) -> list[Finding]:
        """Judge what only this consensus has."""
        ...
