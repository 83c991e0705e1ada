# SPDX-License-Identifier: MIT
"""The Beacon API of one network over several nodes, with the health scores and the failover of JSON-RPC.

Source: ethereum/beacon-APIs. Nothing that comes back is believed. Methods named `checked_` let the caller
verify an answer while it is still known whose it is. Where `check` raises Rejection, the node loses health
and the next one is asked. Reading and checking run in a thread, for signatures and big JSON take longer than
an event loop has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from light_clients.client import Timestamp
from light_clients.errors import Rejection
from light_clients.ethereum.config import NetworkConfig, Period, Slot
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientOptimisticUpdate,
    LightClientUpdate,
)
from light_clients.ethereum.ssz_object import SszObject
from relayer.chains.http import clean_text
from relayer.chains.provider_pool import (
    DEFAULT_POLICY,
    Answer,
    OnRpcError,
    ProviderHealth,
    ProviderPool,
    label_urls,
)
from relayer.consensus.ethereum.beacon_api.decoding import (
    decode_json,
    decode_object,
    decode_updates,
    read_bytes,
    read_number,
)
from relayer.consensus.ethereum.beacon_api.provider import BeaconLimits, BeaconProvider
from relayer.errors import ConfigError, NotFoundYet, RangeRefused, RpcAnswerInvalid, RpcRefused, WrongChain
from relayer.retry import RetryPolicy

T = TypeVar("T")
S = TypeVar("S", bound=SszObject)

#: Updates in one answer (`MAX_REQUEST_LIGHT_CLIENT_UPDATES`).
MAX_UPDATES: Final = 128
_LIGHT_CLIENT: Final = "/eth/v1/beacon/light_client"
#: This bounds all answers but light-client objects; the longest of them is a network's specification.
_SMALL_BYTES: Final = 1 << 20
_DEFAULT_LIMITS: Final = BeaconLimits()


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a node says of the chain's beginning.

    Attributes:
        time: of slot 0, in seconds since 1970.
        validators_root: the genesis validators' root, 32 bytes.
        fork_version: of the first fork, 4 bytes.
    """

    time: Timestamp
    validators_root: bytes
    fork_version: bytes


@dataclass(frozen=True, slots=True)
class NamedHeader:
    """A block's header as a node gives it.

    Attributes:
        root: of the header, 32 bytes; the node names it by this, and it is the header's.
        header: unverified otherwise.
        finalized: whether the node says that it is.
    """

    root: bytes
    header: BeaconBlockHeader
    finalized: bool


@dataclass(frozen=True, slots=True)
class Syncing:
    """How far a node is, as it says.

    Attributes:
        head_slot: of its newest block.
        sync_distance: slots that it is behind.
        is_syncing: whether it is still catching up.
        is_optimistic: whether its execution client has not verified its newest blocks.
    """

    head_slot: Slot
    sync_distance: int
    is_syncing: bool
    is_optimistic: bool


class BeaconApi:
    """Beacon nodes of one network. Belongs to one event loop; `close` it.

    Args:
        name: the chain's, for people.
        endpoints: URLs of nodes, the preferred one first. They may hold credentials, and are shown by host.
        network: what they serve; nodes of another network are excluded for good.
        on_error: told of every failure.
        limits: what one node may cost us.
        policy: how often a round over all nodes is tried.

    Raises:
        ConfigError: there is no node, or a URL is none.
    """

    def __init__(
        self,
        name: str,
        endpoints: Sequence[str],
        network: NetworkConfig,
        on_error: OnRpcError | None = None,
        *,
        limits: BeaconLimits = _DEFAULT_LIMITS,
        policy: RetryPolicy = DEFAULT_POLICY,
    ) -> None:
        if not endpoints:
            raise ConfigError(
                f"no beacon nodes of {name}", "at least one URL", "Add one to the chain's beacon list."
            )
        self.name = name
        self.network = network
        self._limits = limits
        providers = [
            BeaconProvider(url, label, limits)
            for url, label in zip(endpoints, label_urls(endpoints), strict=True)
        ]
        self._pool = ProviderPool(providers, policy=policy, on_error=on_error, probe=self._check_network)

    @property
    def provider_count(self) -> int:
        """How many nodes there are to contradict one another."""
        return len(self._pool.providers)

    # --- light clients --------------------------------------------------------------------------------------

    async def bootstrap(self, root: bytes) -> LightClientBootstrap:
        """The bootstrap of a block root (32 bytes): its header, and its period's committee. Unverified."""
        return await self.checked_bootstrap(root, _same)

    async def checked_bootstrap(self, root: bytes, check: Callable[[LightClientBootstrap], T]) -> T:
        """What `check` makes of the bootstrap of a block root (32 bytes).

        Raises:
            NotFoundYet: no node has it: the root is of no finalized epoch's first block, or too old.
            ChainUnavailable: no node gave one that holds.
        """
        path = f"{_LIGHT_CLIENT}/bootstrap/0x{root.hex()}"
        return await self._ask(path, LightClientBootstrap, check)

    async def updates(self, start: Period, count: int) -> tuple[LightClientUpdate, ...]:
        """The best updates of up to `count` periods from `start` on, of one node. Unverified."""
        return await self.checked_updates(start, count, _same)

    async def checked_updates(
        self, start: Period, count: int, check: Callable[[tuple[LightClientUpdate, ...]], T]
    ) -> T:
        """What `check` makes of the best updates of up to `count` periods from `start` on, of one node.

        No more than 128 are asked for, and fewer where a node refuses an answer of that size. A node may
        give fewer.

        Raises:
            NotFoundYet: no node has what `check` asks for.
            ChainUnavailable: no node gave what holds.
        """
        count = min(count, MAX_UPDATES)
        while True:
            try:
                return await self._ask_updates(start, count, check, is_final=count == 1)
            except RangeRefused:
                count = max(1, count // 2)

    async def finality_update(self) -> LightClientFinalityUpdate:
        """The newest finalized header, signed. Unverified."""
        return await self.checked_finality_update(_same)

    async def checked_finality_update(self, check: Callable[[LightClientFinalityUpdate], T]) -> T:
        """What `check` makes of a node's newest finality update. Raises NotFoundYet, ChainUnavailable."""
        return await self._ask(f"{_LIGHT_CLIENT}/finality_update", LightClientFinalityUpdate, check)

    async def optimistic_update(self) -> LightClientOptimisticUpdate:
        """The newest header that the sync committee signed; not final. Unverified."""
        return await self._ask(f"{_LIGHT_CLIENT}/optimistic_update", LightClientOptimisticUpdate, _same)

    async def finality_updates_of_everyone(self) -> list[tuple[str, LightClientFinalityUpdate]]:
        """The newest finality update of every node that answers, with the node's label. Unverified."""

        async def once(provider: BeaconProvider) -> LightClientFinalityUpdate:
            return await self._get(
                provider, f"{_LIGHT_CLIENT}/finality_update", LightClientFinalityUpdate, _same
            )

        return await self._everyone(once)

    async def updates_of_everyone(self, period: Period) -> list[tuple[str, LightClientUpdate]]:
        """The best update of a period of every node that has one, with the node's label. Unverified."""

        async def once(provider: BeaconProvider) -> LightClientUpdate:
            found = await self._get_updates(provider, period, 1, _same)
            if not found:
                raise NotFoundYet(f"{provider.label} has no update of period {period}")
            return found[0]

        return await self._everyone(once)

    # --- who a node is, and where ---------------------------------------------------------------------------

    async def genesis(self) -> Genesis:
        """The chain's beginning as the healthiest node tells it. Raises ChainUnavailable."""
        return (await self._pool.anyone("genesis", self._genesis_of)).value

    async def spec(self) -> Mapping[str, Any]:
        """`/eth/v1/config/spec`: names and values as the node tells them."""

        async def once(provider: BeaconProvider) -> Mapping[str, Any]:
            found = await self._json(provider, "/eth/v1/config/spec")
            if not isinstance(found, dict):
                raise RpcAnswerInvalid(
                    f"{provider.label} answered a specification of another shape", "names and values"
                )
            return found

        return (await self._pool.anyone("config/spec", once)).value

    async def header(self, block_id: str) -> NamedHeader:
        """A block's header by `head`, `finalized`, a slot or a root. Its root is the one that is told.

        Raises:
            NotFoundYet: no node has it.
            ChainUnavailable: no node gave one that holds.
        """

        async def once(provider: BeaconProvider) -> NamedHeader:
            answer = await provider.get(f"/eth/v1/beacon/headers/{block_id}", most_bytes=_SMALL_BYTES)
            return _read_header(decode_json(answer.body), provider.label, self.network)

        return (await self._pool.anyone(f"header {block_id}", once)).value

    async def version(self) -> str:
        """What software the healthiest node is, for people."""

        async def once(provider: BeaconProvider) -> str:
            found = await self._json(provider, "/eth/v1/node/version")
            version = found.get("version") if isinstance(found, dict) else None
            if not isinstance(version, str):
                raise RpcAnswerInvalid(f"{provider.label} tells no version", "a version")
            return clean_text(version)

        return (await self._pool.anyone("node/version", once)).value

    async def syncing(self) -> Syncing:
        """How far the healthiest node is."""

        async def once(provider: BeaconProvider) -> Syncing:
            found = await self._json(provider, "/eth/v1/node/syncing")
            return Syncing(
                Slot(read_number(found, "head_slot", provider.label)),
                read_number(found, "sync_distance", provider.label),
                bool(found.get("is_syncing")),
                bool(found.get("is_optimistic")),
            )

        return (await self._pool.anyone("node/syncing", once)).value

    def health(self) -> tuple[ProviderHealth, ...]:
        """How the nodes do, in the configured order."""
        return self._pool.health()

    def blame(self, node: str) -> None:
        """Charge a node, by its label, for an answer that turned out to be wrong only later."""
        self._pool.blame(node)

    async def close(self) -> None:
        """Close connections; idempotent."""
        await self._pool.close()

    # --- inside ---------------------------------------------------------------------------------------------

    async def _ask(self, path: str, kind: type[S], check: Callable[[S], T]) -> T:
        async def once(provider: BeaconProvider) -> T:
            return await self._get(provider, path, kind, check)

        return (await self._pool.anyone(path.rpartition("/light_client/")[2][:40], once)).value

    async def _get(self, provider: BeaconProvider, path: str, kind: type[S], check: Callable[[S], T]) -> T:
        answer = await provider.get(path, most_bytes=self._limits.object_bytes, ssz=True)
        return await asyncio.to_thread(lambda: check(decode_object(answer, kind, self.network)))

    async def _ask_updates(
        self,
        start: Period,
        count: int,
        check: Callable[[tuple[LightClientUpdate, ...]], T],
        *,
        is_final: bool,
    ) -> T:
        async def once(provider: BeaconProvider) -> T:
            return await self._get_updates(provider, start, count, check)

        def is_too_many(error: RpcRefused) -> bool:
            return isinstance(error, RangeRefused) and not is_final

        what = f"updates of {count} periods from {start} on"
        return (await self._pool.anyone(what, once, is_final=is_too_many)).value

    async def _get_updates(
        self,
        provider: BeaconProvider,
        start: Period,
        count: int,
        check: Callable[[tuple[LightClientUpdate, ...]], T],
    ) -> T:
        path = f"{_LIGHT_CLIENT}/updates?start_period={start}&count={count}"
        answer = await provider.get(path, most_bytes=count * self._limits.object_bytes, ssz=True)
        return await asyncio.to_thread(lambda: check(decode_updates(answer, self.network, count)))

    async def _everyone(self, once: Callable[[BeaconProvider], Any]) -> list[tuple[str, Any]]:
        async def one(provider: BeaconProvider) -> Any:
            try:
                return await once(provider)
            except Rejection as error:
                raise RpcAnswerInvalid(f"{provider.label}: {error}", "an object of the network") from error

        answers = await self._pool.everyone(one)
        return [(answer.provider, answer.value) for answer in answers if isinstance(answer, Answer)]

    async def _json(self, provider: BeaconProvider, path: str) -> Any:
        answer = await provider.get(path, most_bytes=_SMALL_BYTES)
        found = decode_json(answer.body)
        if not isinstance(found, dict) or not isinstance(found.get("data"), dict):
            raise RpcAnswerInvalid(f"{provider.label} answered another shape", "an object under data")
        return found["data"]

    async def _genesis_of(self, provider: BeaconProvider) -> Genesis:
        found = await self._json(provider, "/eth/v1/beacon/genesis")
        return Genesis(
            Timestamp(read_number(found, "genesis_time", provider.label)),
            read_bytes(found, "genesis_validators_root", 32, provider.label),
            read_bytes(found, "genesis_fork_version", 4, provider.label),
        )

    async def _check_network(self, provider: BeaconProvider) -> None:
        """Refuse a node of another network. It proves nothing, for all that counts is verified later."""
        found = await self._genesis_of(provider)
        expected = self.network.genesis_validators_root
        if found.validators_root != expected:
            raise WrongChain(
                f"a beacon node whose genesis validators' root is 0x{found.validators_root.hex()}",
                f"0x{expected.hex()}",
                f"Correct {self.name}'s beacon list, or its network",
            )


def _same(found: T) -> T:
    return found


def _read_header(found: Any, label: str, network: NetworkConfig) -> NamedHeader:
    data = found.get("data") if isinstance(found, dict) else None
    signed = data.get("header") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(signed, dict):
        raise RpcAnswerInvalid(f"{label} answered a header of another shape", "root and header under data")
    header = BeaconBlockHeader.from_json(signed.get("message"), network.forks[-1].name, network.preset)
    root = read_bytes(data, "root", 32, label)
    if header.hash_tree_root() != root:
        raise RpcAnswerInvalid(
            f"{label} names a header 0x{root.hex()}", f"its root 0x{header.hash_tree_root().hex()}"
        )
    return NamedHeader(root, header, found.get("finalized") is True)
