# SPDX-License-Identifier: MIT
"""Between what a file says of a beacon chain and what the light client takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from relayer.config.schema import BlobConfig, Bytes4, Bytes32, ForkConfig, ForkText, NetworkName, NetworkTable

if TYPE_CHECKING:
    from light_clients.ethereum.config import NetworkConfig
    from light_clients.ethereum.params import EthereumParams


def network_of(setting: NetworkName | NetworkTable) -> NetworkConfig:
    """What `network` in a chain's table means. Raises ValueError: the light client can't have such a network."""
    # Loaded only for those who have a beacon chain.
    from light_clients.ethereum.config import (
        MAINNET,
        MINIMAL,
        BlobParameters,
        Epoch,
        Fork,
        ForkName,
        NetworkConfig,
    )

    if isinstance(setting, str):
        return _known(setting)
    return NetworkConfig(
        preset=MINIMAL if setting.preset == "minimal" else MAINNET,
        genesis_time=setting.genesis_time,
        genesis_validators_root=bytes(setting.genesis_validators_root),
        slot_duration_ms=setting.slot_duration_ms,
        forks=tuple(
            Fork(ForkName[each.name.upper()], Epoch(each.epoch), bytes(each.version))
            for each in setting.forks
        ),
        blob_schedule=tuple(
            BlobParameters(Epoch(each.epoch), each.max_blobs_per_block) for each in setting.blob_schedule
        ),
    )


def setting_of(network: NetworkConfig) -> NetworkName | NetworkTable:
    """How a network stands in a file: by its name where it is a known one, else as a table."""
    from light_clients.ethereum.config import MINIMAL

    for name in get_args(NetworkName):
        if _known(name).genesis_validators_root == network.genesis_validators_root:
            found: NetworkName = name
            return found
    forks = [
        ForkConfig(name=_fork_text(each.name.name), epoch=each.epoch, version=Bytes4(each.version))
        for each in network.forks
    ]
    return NetworkTable(
        preset="minimal" if network.preset == MINIMAL else "mainnet",
        genesis_time=network.genesis_time,
        genesis_validators_root=Bytes32(network.genesis_validators_root),
        slot_duration_ms=network.slot_duration_ms,
        forks=tuple(forks),
        blob_schedule=tuple(
            BlobConfig(epoch=each.epoch, max_blobs_per_block=each.max_blobs_per_block)
            for each in network.blob_schedule
        ),
    )


def params_of(
    network: NetworkConfig, threshold: int | None, trusting_period_s: int, max_clock_drift_s: int
) -> EthereumParams:
    """What a chain's light clients are deployed with. Raises ValueError: none can be."""
    from light_clients.ethereum.params import EthereumParams, least_threshold

    least = least_threshold(network.preset.sync_committee_size)
    return EthereumParams.of(
        network, least if threshold is None else threshold, trusting_period_s, max_clock_drift_s
    )


def _known(name: NetworkName) -> NetworkConfig:
    from light_clients.ethereum.config import NETWORKS

    return NETWORKS[name]


def _fork_text(name: str) -> ForkText:
    found: ForkText = next(each for each in get_args(ForkText) if each == name.lower())
    return found
