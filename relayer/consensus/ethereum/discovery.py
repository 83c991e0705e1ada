# SPDX-License-Identifier: MIT
"""Which beacon chain a node serves, as it tells by `/eth/v1/config/spec` and `/eth/v1/beacon/genesis`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from light_clients.ethereum.config import (
    FAR_FUTURE_EPOCH,
    MAINNET,
    MINIMAL,
    BlobParameters,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
)
from relayer.chains.provider_pool import label_urls
from relayer.consensus.ethereum.beacon_api import BeaconApi, BeaconLimits
from relayer.consensus.ethereum.beacon_api.decoding import decode_json, read_bytes, read_number
from relayer.consensus.ethereum.beacon_api.provider import BeaconProvider
from relayer.errors import ChainUnavailable, ConfigError, PostroadError, RpcAnswerInvalid

_SPEC: Final = "/eth/v1/config/spec"
_GENESIS: Final = "/eth/v1/beacon/genesis"
_MOST_BYTES: Final = 1 << 20
_NODE: Final = "the node"
#: The keys that tell a preset.
_LENGTHS: Final = ("SLOTS_PER_EPOCH", "EPOCHS_PER_SYNC_COMMITTEE_PERIOD", "SYNC_COMMITTEE_SIZE")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a node contradicts the configuration.

    `what` names the value; `found` is the node's, `expected` that of the file, for people.
    """

    what: str
    found: str
    expected: str


async def discover_network(name: str, urls: Sequence[str]) -> NetworkConfig:
    """Ask nodes, in their order, which network they serve, and return what the first one says that
    can be read.

    The answer is hearsay: show it to a person, or compare it with the configuration.

    Args:
        name: of the chain, for errors.
        urls: of Beacon APIs.

    Raises:
        ChainUnavailable: no node gave an answer that can be read; it tells the last node's fault.
    """
    failure: PostroadError | None = None
    for url, label in zip(urls, label_urls(urls), strict=True):
        provider = BeaconProvider(url, label, BeaconLimits())
        try:
            return await _network_of(provider.get, label)
        except PostroadError as error:
            failure = error
        finally:
            await provider.close()
    raise ChainUnavailable(
        f"no Beacon API of {name} tells its network: {failure}",
        f"one that answers {_SPEC} and {_GENESIS}",
        f"Is chains.{name}.consensus.beacon right, and the consensus client up?",
    ) from failure


async def _network_of(get: Callable[..., Awaitable[Any]], label: str) -> NetworkConfig:
    found = []
    for path in (_SPEC, _GENESIS):
        answer = decode_json((await get(path, most_bytes=_MOST_BYTES)).body)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            raise RpcAnswerInvalid(f"{label} answered another shape to {path}", "an object under data")
        found.append(data)
    spec, genesis = found
    return read_network(
        spec,
        read_number(genesis, "genesis_time", label),
        read_bytes(genesis, "genesis_validators_root", 32, label),
    )


def read_network(spec: Mapping[str, Any], genesis_time: int, genesis_validators_root: bytes) -> NetworkConfig:
    """Read a network from `/eth/v1/config/spec`, with every fork that is scheduled there.

    Args:
        spec: what stands under `data`.
        genesis_time: in seconds.
        genesis_validators_root: 32 bytes.

    Raises:
        RpcAnswerInvalid: a value is missing or malformed, or light clients of this version
            don't have the preset.
    """
    lengths = tuple(read_number(spec, key, _NODE) for key in _LENGTHS)
    presets = {
        (preset.slots_per_epoch, preset.epochs_per_sync_committee_period, preset.sync_committee_size): preset
        for preset in (MAINNET, MINIMAL)
    }
    if lengths not in presets:
        told = ", ".join(f"{key} {value}" for key, value in zip(_LENGTHS, lengths, strict=True))
        raise RpcAnswerInvalid(f"a network with {told}", "the preset mainnet or minimal")
    forks = [fork for name in ForkName if (fork := _fork(spec, name)) is not None]
    if not forks:
        raise RpcAnswerInvalid("a network without sync committees", "Altair or a later fork, scheduled")
    if any(low.epoch > high.epoch for low, high in pairwise(forks)):
        raise RpcAnswerInvalid("a network whose forks are out of order", "ascending epochs")
    # SECONDS_PER_SLOT can't tell the slots of local chains, which take less than a second (ADR 0012).
    slot_ms = (
        read_number(spec, "SLOT_DURATION_MS", _NODE)
        if "SLOT_DURATION_MS" in spec
        else 1_000 * read_number(spec, "SECONDS_PER_SLOT", _NODE)
    )
    if not slot_ms:
        raise RpcAnswerInvalid("slots that take no time", "at least a millisecond")
    return NetworkConfig(
        preset=presets[lengths],
        genesis_time=genesis_time,
        genesis_validators_root=genesis_validators_root,
        slot_duration_ms=slot_ms,
        forks=tuple(forks),
        blob_schedule=_blobs(spec, forks),
    )


def find_differences(configured: NetworkConfig, told: NetworkConfig) -> list[Difference]:
    """Return where a node's network contradicts the configured one.

    A fork that only one of them has is no contradiction (`missing_forks`).
    """
    pairs = [
        (
            "the genesis validators' root",
            *(_hex(network.genesis_validators_root) for network in (told, configured)),
        ),
        ("the genesis time", str(told.genesis_time), str(configured.genesis_time)),
        ("the preset", told.preset.name, configured.preset.name),
        ("the slots' length in ms", str(told.slot_duration_ms), str(configured.slot_duration_ms)),
    ]
    found = [Difference(what, found, expected) for what, found, expected in pairs if found != expected]
    for fork in configured.forks:
        other = told.fork_named(fork.name)
        if other is not None and other != fork:
            found.append(Difference(f"the fork {fork.name.label}", _tell(other), _tell(fork)))
    return found


def missing_forks(configured: NetworkConfig, told: NetworkConfig) -> list[Fork]:
    """Return the forks that a node has scheduled and the configuration doesn't have."""
    return [fork for fork in told.forks if configured.fork_named(fork.name) is None]


def _tell(fork: Fork) -> str:
    return f"epoch {fork.epoch}, version {_hex(fork.version)}"


def _fork(spec: Mapping[str, Any], name: ForkName) -> Fork | None:
    key = f"{name.name}_FORK_EPOCH"
    if key not in spec:
        return None
    epoch = read_number(spec, key, _NODE)
    if epoch == FAR_FUTURE_EPOCH:
        return None
    return Fork(name, Epoch(epoch), read_bytes(spec, f"{name.name}_FORK_VERSION", 4, _NODE))


def _blobs(spec: Mapping[str, Any], forks: Sequence[Fork]) -> tuple[BlobParameters, ...]:
    """Return what fork digests depend on since Fulu: Electra's count, then the schedule of EIP-7892."""
    found = {}
    electra = next((fork for fork in forks if fork.name is ForkName.ELECTRA), None)
    if electra is not None and "MAX_BLOBS_PER_BLOCK_ELECTRA" in spec:
        found[electra.epoch] = read_number(spec, "MAX_BLOBS_PER_BLOCK_ELECTRA", _NODE)
    schedule = spec.get("BLOB_SCHEDULE")
    for change in schedule if isinstance(schedule, list) else []:
        if not isinstance(change, dict):
            raise RpcAnswerInvalid("a BLOB_SCHEDULE of another shape", "a list of epochs and counts")
        found[Epoch(read_number(change, "EPOCH", _NODE))] = read_number(change, "MAX_BLOBS_PER_BLOCK", _NODE)
    return tuple(BlobParameters(epoch, found[epoch]) for epoch in sorted(found) if epoch != FAR_FUTURE_EPOCH)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


async def check_network(name: str, api: BeaconApi) -> None:
    """Raise ConfigError when a node's network contradicts the configured one; Retryable
    when nobody answers.
    """
    genesis, spec = await api.genesis(), await api.spec()
    told = read_network(spec, genesis.time, genesis.validators_root)
    for difference in find_differences(api.network, told):
        raise ConfigError(
            f"{name}'s Beacon API tells of {difference.what}: {difference.found}",
            f"{difference.expected} (chains.{name}.consensus.network)",
            "It is of another network, or the file is wrong: correct one of them",
        )
