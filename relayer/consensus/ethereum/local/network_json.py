# SPDX-License-Identifier: MIT
"""A network as the Beacon API describes it: every value is text."""

from __future__ import annotations

from typing import Any, Final

from light_clients.ethereum.config import FAR_FUTURE_EPOCH, ForkName, NetworkConfig

GENESIS_FORK_VERSION: Final = bytes(4)


def genesis_json(config: NetworkConfig) -> dict[str, str]:
    """Return what `/eth/v1/beacon/genesis` has under `data`."""
    return {
        "genesis_time": str(config.genesis_time),
        "genesis_validators_root": "0x" + config.genesis_validators_root.hex(),
        "genesis_fork_version": "0x" + _genesis_version(config).hex(),
    }


def spec_json(config: NetworkConfig) -> dict[str, Any]:
    """Return what `/eth/v1/config/spec` has under `data`, as far as light clients read it."""
    preset = config.preset
    spec: dict[str, Any] = {
        "CONFIG_NAME": "postroad-devnet",
        "PRESET_BASE": preset.name,
        "SLOTS_PER_EPOCH": str(preset.slots_per_epoch),
        "EPOCHS_PER_SYNC_COMMITTEE_PERIOD": str(preset.epochs_per_sync_committee_period),
        "SYNC_COMMITTEE_SIZE": str(preset.sync_committee_size),
        "MIN_SYNC_COMMITTEE_PARTICIPANTS": "1",
        "UPDATE_TIMEOUT": str(preset.slots_per_period),
        "SECONDS_PER_SLOT": str(max(1, config.slot_duration_ms // 1000)),
        "SLOT_DURATION_MS": str(config.slot_duration_ms),
        "MIN_GENESIS_TIME": str(config.genesis_time),
        "GENESIS_DELAY": "0",
        "GENESIS_FORK_VERSION": "0x" + _genesis_version(config).hex(),
        "BLOB_SCHEDULE": [
            {"EPOCH": str(entry.epoch), "MAX_BLOBS_PER_BLOCK": str(entry.max_blobs_per_block)}
            for entry in config.blob_schedule
        ],
        "DOMAIN_SYNC_COMMITTEE": "0x07000000",
    }
    for name in ForkName:
        fork = config.fork_named(name)
        if fork is not None:
            version, epoch = fork.version, int(fork.epoch)
        else:
            # A fork from before the first one of the schedule was there all along; a later one is not
            # planned.
            version = b"\xff\xff\xff" + bytes([name])
            epoch = 0 if name < config.forks[0].name else int(FAR_FUTURE_EPOCH)
        spec[f"{name.name}_FORK_VERSION"] = "0x" + version.hex()
        spec[f"{name.name}_FORK_EPOCH"] = str(epoch)
    return spec


def _genesis_version(config: NetworkConfig) -> bytes:
    return GENESIS_FORK_VERSION if config.forks[0].epoch > 0 else config.forks[0].version
