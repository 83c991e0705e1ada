# SPDX-License-Identifier: MIT
"""A kind of consensus: what it is called, and what its folder has to offer.

A kind is a package with the same modules for the same roles, whatever the consensus. Its `__init__` holds one
light `ConsensusKind` and imports nothing heavy; a role's module is imported when somebody asks for the role:

    config.py     CONFIG       the keys of `[chains.NAME.consensus]`, a relayer.config.ConsensusConfig
    prover.py     open_prover  why to believe a chain: builds a relayer.consensus.base.Prover
    contract.py   CONTRACT     the light client on a destination, created and read: a ContractRole
    endpoint.py   ENDPOINT     what `init`, `endpoint` and `doctor` ask: an EndpointRole
    local         LOCAL        optional: a local chain, a relayer.devnet.chain.local_kind.LocalKind
    show          SHOW         optional: what the demo shows of the kind, a relayer.consensus.show.ShowRole

The pure rules (headers, proofs, trusted state) lie in `light_clients/<kind>/`, the contract in
`solidity/src/light_clients/<kind>/`. How to add a kind: docs/how-to/write-a-light-client.md.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Generic, Protocol, Self, TypeVar

import msgspec

from light_clients.client import Status
from relayer.chains.evm.chain import EvmChain
from relayer.chains.evm.contract_reader import ContractReader
from relayer.chains.evm.node import Node
from relayer.chains.provider_pool import OnRpcError
from relayer.config import ChainConfig, ConsensusConfig
from relayer.consensus.base import Prover
from relayer.consensus.findings import Finding
from relayer.errors import ConfigError

#: How many shared signers an error lists.
_SHOWN: Final = 3

#: A kind's own configuration.
C = TypeVar("C", bound=ConsensusConfig)
#: What a kind's survey finds that trust can begin with.
T = TypeVar("T", bound="TrustStart[Any]")
#: A kind's light client as it stands on a destination.
V = TypeVar("V", bound="ClientView")

V_co = TypeVar("V_co", bound="ClientView", covariant=True)
V_contra = TypeVar("V_contra", bound="ClientView", contravariant=True)


class ProofOf(Enum):
    """How a kind proves a word of a chain's state. The values are for people.

    Attributes:
        STATE: by a trie under the header.
        WITNESS: by an event of the source that tells the word, in a proven receipt.
        ATTESTED: by signatures over the word.
    """

    STATE = "a state proof"
    WITNESS = "a witness"
    ATTESTED = "attestations"


@dataclass(frozen=True, slots=True)
class ConsensusKind:
    """One kind of consensus, as its entry point names it.

    Attributes:
        name: how configurations, the devnet and documents call it: small letters, digits and hyphens.
        package: the package that holds the roles' modules.
        contract: the light client that a destination runs; an artifact of that name ships with the package.
        other_contracts: further light clients of the kind, each for chains whose configuration names it
            (`ConsensusConfig.contract`); `on_chain` creates and reads all of them.
        signers: how people call those who sign its headers, in the plural: "validators".
        misbehaviour: what has happened where its light client is frozen, as a sentence.
        dialects: names of protocols that the kind covers, each with the keys of `[chains.NAME.consensus]`
            that it stands for: `init` takes them, and errors explain them.
        faster_with: modules without which its chains are followed slowly, each with what that means.
        platforms: CAIP-2 namespaces of the chains that it can believe.
        proves: how a word of a chain's state is proven (ADR 0015), for people to see.
    """

    name: str
    package: str
    contract: str
    signers: str
    misbehaviour: str
    dialects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    faster_with: Mapping[str, str] = field(default_factory=dict)
    platforms: tuple[str, ...] = ("eip155",)
    proves: ProofOf = ProofOf.STATE
    other_contracts: tuple[str, ...] = ()

    @property
    def contracts(self) -> tuple[str, ...]:
        """Every light client of the kind, by its artifact's name."""
        return (self.contract, *self.other_contracts)

    def contract_of(self, config: ConsensusConfig) -> str:
        """Return the light client that follows a chain with this configuration, by its artifact's name."""
        return config.contract or self.contract

    def slow_without(self) -> Mapping[str, str]:
        """Return those modules of `faster_with` that are not installed."""
        return {
            module: advice
            for module, advice in self.faster_with.items()
            if importlib.util.find_spec(module) is None
        }

    @property
    def config(self) -> type[ConsensusConfig]:
        """The keys of `[chains.NAME.consensus]`. Raises ConfigError when the kind's package lacks them."""
        found: type[ConsensusConfig] = self._load("config", "CONFIG")
        return found

    @property
    def open_prover(self) -> OpenProverFunction:
        """The function that builds a prover from a configuration. Raises ConfigError as `config`."""
        found: OpenProverFunction = self._load("prover", "open_prover")
        return found

    @property
    def on_chain(self) -> ContractRole[Any, Any]:
        """The light client on a destination. Raises ConfigError as `config`."""
        found: ContractRole[Any, Any] = self._load("contract", "CONTRACT")
        return found

    @property
    def endpoint(self) -> EndpointRole[Any, Any, Any]:
        """What deploying, joining and checking ask. Raises ConfigError as `config`."""
        found: EndpointRole[Any, Any, Any] = self._load("endpoint", "ENDPOINT")
        return found

    @property
    def local(self) -> Any:
        """A relayer.devnet.chain.local_kind.LocalKind.

        Raises ConfigError when the kind has no local chain.
        """
        return self._load("local", "LOCAL")

    @property
    def show(self) -> Any:
        """A relayer.consensus.show.ShowRole.

        Raises ConfigError when the demo can show nothing of the kind.
        """
        return self._load("show", "SHOW")

    def _load(self, module: str, name: str) -> Any:
        path = f"{self.package}.{module}"
        try:
            return getattr(importlib.import_module(path), name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"the kind of consensus {self.name!r} has no {module} ({error})",
                f"{name} in {path}",
                "Install its package whole, or use a kind that offers this.",
            ) from error


@dataclass(frozen=True, slots=True)
class ConfiguredChain(Generic[C]):
    """A configured chain as its kind sees it.

    Attributes:
        name: of the chain, for people.
        chain: its table of the configuration, with the keys that all kinds share.
        consensus: the kind's own table, of the kind's own type.
    """

    name: str
    chain: ChainConfig
    consensus: C


class TrustStart(Protocol[C]):
    """What a survey found that trust in a chain can begin with."""

    @property
    def is_verified(self) -> bool:
        """Whether `record` can be asked; where not, EndpointRole.follow verifies it first."""
        ...

    def record(self) -> msgspec.Struct:
        """Return what a light client is deployed with, as a struct of the kind's own.

        The manifest keeps it, and `ContractRole.creation` takes it.
        """
        ...

    def with_rules(self, config: C) -> C:
        """Return the configuration with the rules that the survey found, a network for example,
        if it has none.

        The bootstrap stays as it is.
        """
        ...

    def with_bootstrap(self, config: C) -> C:
        """Return the configuration with the rules and the bootstrap that were found, where it has none.

        A deployment writes this into the file.
        """
        ...

    def describe(self, on: str, remote: str) -> Sequence[str]:
        """Return what a person compares before the chain `on` trusts `remote`: lines of text."""
        ...

    def conflict(self, other: Self) -> Conflict | None:
        """Return why headers of this chain could pass for those of another chain of the kind; None if not."""
        ...


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why two chains can't be told apart by what is signed on them: what was found, what
    was expected, advice.
    """

    found: str
    expected: str
    advice: str


def find_shared_signers(own: Sequence[bytes], other: Sequence[bytes], called: str) -> Conflict | None:
    """Return the conflict of two chains that share signers, where headers carry no chain id; None if none.

    Args:
        own: who signs on one chain, addresses.
        other: who signs on the other.
        called: how people call them, in the plural.
    """
    shared = sorted(set(own) & set(other))
    if not shared:
        return None
    names = [f"0x{signer.hex()}" for signer in shared[:_SHOWN]] + ["…"] * (len(shared) > _SHOWN)
    advice = (
        "Headers of such chains carry no chain id, so one chain's could pass for the other's: use other keys."
    )
    return Conflict(f"{len(shared)} shared {called} ({', '.join(names)})", "none", advice)


@dataclass(frozen=True, slots=True)
class ClientView:
    """A light client as it stands on a chain. Times are in seconds, addresses 20 bytes.

    `height` is what its consensus counts by: a block number, or a slot.
    """

    contract: str
    address: bytes
    status: Status
    height: int
    timestamp: int
    trusting_period_s: int
    max_clock_drift_s: int
    authority: bytes

    def details(self) -> Mapping[str, Any]:
        """Return what only this kind of client has, for `--json`."""
        return {}


class ContractRole(Protocol[C, V_co]):
    """The light client on a destination."""

    @property
    def storage_gas(self) -> int:
        """About what gas its constructor takes, besides that for its code and calldata."""
        ...

    def creation(self, authority: bytes, chain: ConfiguredChain[C], initial_trust: msgspec.Struct) -> bytes:
        """Return the init code of a light client.

        Args:
            authority: the contract that says who may administrate it, 20 bytes.
            chain: the chain that it is a light client of.
            initial_trust: what `TrustStart.record` of this kind returned.
        """
        ...

    def bootstrap_call(self, chain: ConfiguredChain[C], initial_trust: msgspec.Struct) -> bytes:
        """Return the calldata of the contract's `bootstrap`, by which an admin chooses trusted state anew.

        Every kind's contract has a function of that name, for the admin alone.

        Args:
            chain: the chain that it is a light client of.
            initial_trust: as for `creation`.
        """
        ...

    async def view(self, reader: ContractReader, address: bytes) -> V_co:
        """Read a client whose code is known to be of this kind. Raises ChainUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A key of `[chains.NAME.consensus]` that `init` has to ask for: a list of URLs.

    Attributes:
        key: as the file has it, and as `--chain` takes it: `KEY=URL` among the URLs.
        prompt: what a person is asked at a terminal.
        missing: what it is, for an error to those who did not give it.
    """

    key: str
    prompt: str
    missing: str


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a chain tells of itself besides its blocks, for `init`.

    Attributes:
        keys: further keys of `[chains.NAME.consensus]`, by name.
        to_compare: what a person compares with what the chain's owners publish; "" for nothing.
    """

    keys: Mapping[str, Any]
    to_compare: str = ""


class EndpointRole(Protocol[C, T, V_contra]):
    """What deploying, joining and checking ask of a kind.

    A kind whose chains are known by their own providers and blocks alone, and whose light client needs no
    more than a gateway, leaves out `questions`, `discover`, `check_live` and `survey_destination`. Without
    `check_bootstrap`, a mistake in the bootstrap shows only when the chain is followed.
    """

    @property
    def questions(self) -> tuple[Question, ...]:
        """What `init` asks for besides RPC URLs."""
        return ()

    def refuse_head(self, chain: ConfiguredChain[C], head: Mapping[str, Any]) -> str | None:
        """Return why a provider's newest block can't be of this consensus; None where it can."""
        ...

    def recognise(self, head: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the keys of `[chains.NAME.consensus]` that a block tells; None if it is not of this kind."""
        ...

    async def discover(self, name: str, keys: Mapping[str, Any]) -> Discovered:
        """Ask the chain for what else `init` writes. `keys` are those known so far.

        Raises ChainUnavailable.
        """
        del name, keys
        return Discovered({})

    async def check_live(self, chain: ConfiguredChain[C]) -> list[Finding]:
        """Report on the servers that the kind asks besides the chain's RPC providers; empty where
        there are none.
        """
        del chain
        return []

    async def check_bootstrap(self, node: Node, chain: ConfiguredChain[C]) -> list[Finding]:
        """Compare the configured bootstrap with what the chain has at its height; empty where there is none.

        `node` is of the chain, and hearsay: this finds mistakes, not lies. Raises PostroadError.
        """
        del node, chain
        return []

    async def survey(
        self, node: Node, chain: ConfiguredChain[C], head: Mapping[str, Any]
    ) -> tuple[T | None, list[Finding]]:
        """Read what trust can begin with, unverified. `head` is the node's newest block.

        Raises ChainUnavailable.
        """
        ...

    async def follow(
        self, chain: ConfiguredChain[C], genesis_hash: bytes, trust: T
    ) -> tuple[T | None, list[Finding]]:
        """Verify the way from the configured bootstrap to what the survey found.

        The survey alone is hearsay: a provider could show anything. The bootstrap is what the
        chain's owners said.

        Returns:
            What a light client is deployed with, and findings. None, with a refusal, where the
            bootstrap does not lead there. Without a configured bootstrap people compare what
            was found (`TrustStart.describe`).
        """
        ...

    async def survey_destination(self, node: Node, source: str) -> list[Finding]:
        """Report what speaks against a light client of `source` on the chain of `node`.

        Raises ChainUnavailable.
        """
        del node, source
        return []

    async def prove_trust(
        self, subject: str, node: Node, chain: ConfiguredChain[C], client: V_contra
    ) -> list[Finding]:
        """Compare what a client trusts with what its own chain has at the client's height.

        This is what tells a client that lags from one that was hijacked: both trust a set that does not sign
        now, and only the first one's set is that of a header.

        Args:
            subject: how the findings name the client.
            node: of the chain that the client follows.
            chain: that chain.
            client: as it was read where it stands.

        Returns:
            One finding at least. OK: the header at `client.height` has exactly what the client trusts,
            whatever came after it. REFUSAL: it has something else, or the chain never had such a header.
            WARNING: the node can't show it (it keeps no blocks that old, or has not come that far), and the
            client trusts who signs now, with what to do. Whoever else it trusts is refused then: a height
            that nobody shows is what a forger would choose.

        Raises:
            ChainUnavailable: nobody answers.
        """
        ...

    def judge(
        self, subject: str, on: str, client: V_contra, chain: ConfiguredChain[C], trust: T | None
    ) -> list[Finding]:
        """Judge what only this kind's light client has; what all have is judged already.

        Args:
            subject: how the findings name the client.
            on: the chain that the client stands on.
            client: as it was read there.
            chain: the chain that it is a light client of.
            trust: what a survey of that chain found; None where it could not be surveyed.
        """
        ...


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class OpenProver:
    """A prover in use.

    Attributes:
        prover: the prover.
        check: asks once whether the configuration is of this chain, and raises ConfigError if it is not.
        close: closes the connections that the prover has of its own.
    """

    prover: Prover
    check: Callable[[], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing


class OpenProverFunction(Protocol):
    """Builds a prover. Nothing is asked of the chain yet."""

    def __call__(
        self, chain: ConfiguredChain[Any], source: EvmChain, on_error: OnRpcError | None = None
    ) -> OpenProver:
        """Build the prover of a chain; `source` is the connection to it.

        Raises ConfigError when the configuration is incomplete, or one that no light client can have.
        """
        ...
