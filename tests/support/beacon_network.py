# SPDX-License-Identifier: MIT
"""Networks out of the configuration files that come with the official vectors and that beacon nodes serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from light_clients.ethereum.config import (
    FAR_FUTURE_EPOCH,
    BlobParameters,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Preset,
)


def network_from_config(
    values: Mapping[str, Any], preset: Preset, genesis_validators_root: bytes
) -> NetworkConfig:
    """The forks that have an epoch; versions that are not given are zero."""
    epochs = {fork: int(values.get(f"{fork.name}_FORK_EPOCH", FAR_FUTURE_EPOCH)) for fork in ForkName}
    schedule = [
        (int(change["EPOCH"]), int(change["MAX_BLOBS_PER_BLOCK"]))
        for change in values.get("BLOB_SCHEDULE") or ()
    ]
    if "MAX_BLOBS_PER_BLOCK_ELECTRA" in values:
        schedule.insert(0, (epochs[ForkName.ELECTRA], int(values["MAX_BLOBS_PER_BLOCK_ELECTRA"])))
    return NetworkConfig(
        preset=preset,
        genesis_time=0,
        genesis_validators_root=genesis_validators_root,
        slot_duration_ms=int(values.get("SLOT_DURATION_MS", 6000)),
        forks=tuple(
            Fork(fork, Epoch(epoch), bytes.fromhex(values.get(f"{fork.name}_FORK_VERSION", "0x00000000")[2:]))
            for fork, epoch in epochs.items()
            if epoch != FAR_FUTURE_EPOCH
        ),
        blob_schedule=tuple(BlobParameters(Epoch(epoch), count) for epoch, count in schedule),
    )
