# SPDX-License-Identifier: MIT
"""What a proof-of-stake chain is configured with, and what its light clients take of that."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final, Literal, get_args

import msgspec

from light_clients.ethereum.config import (
    MAINNET,
    MINIMAL,
    NETWORKS,
    BlobParameters,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
)
from light_clients.ethereum.params import EthereumParams, least_threshold
from relayer.config import (
    Bytes4,
    Bytes32,
    ConsensusConfig,
    InvalidConfig,
    SecretUrl,
    TrustTerms,
    Where,
    check_schemes,
)
from relayer.config.values import Height, NotNegative, Positive, Slot

NetworkName = Literal["mainnet", "sepolia"]
ForkText = Literal["altair", "bellatrix", "capella", "deneb", "electra", "fulu", "gloas"]


class CheckpointConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is believed from the start: the root of a finalized beacon block, and its slot.

    `height` is the execution block in it: messages are looked for from there on.
    """

    root: Bytes32
    slot: Slot
    height: Height = 1


class ForkConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fork of a beacon chain: from which epoch on, and the version that its signatures are made for."""

    name: ForkText
    epoch: Slot
    version: Bytes4


class BlobConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many blobs a block may hold from an epoch on: part of the fork digest since Fulu (EIP-7892)."""

    epoch: Slot
    max_blobs_per_block: NotNegative


class NetworkTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A beacon chain that is not known by a name. Forks in ascending order."""

    preset: Literal["mainnet", "minimal"]
    genesis_time: Positive
    genesis_validators_root: Bytes32
    slot_duration_ms: Positive
    forks: Annotated[tuple[ForkConfig, ...], msgspec.Meta(min_length=1)]
    blob_schedule: tuple[BlobConfig, ...] = ()


class EthereumConfig(ConsensusConfig, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[chains.NAME.consensus]` of a proof-of-stake chain.

    `threshold` is how many members of the sync committee must sign; None: two thirds.
    """

    kind: str = "ethereum"
    beacon: Annotated[tuple[SecretUrl, ...], msgspec.Meta(min_length=1)]
    network: NetworkName | NetworkTable | None = None
    threshold: Positive | None = None
    bootstrap: CheckpointConfig | None = None

    @property
    def label(self) -> str:
        """What people call it."""
        return "proof of stake"

    @property
    def missing(self) -> tuple[str, ...]:
        """The network and the checkpoint, until an endpoint is deployed or joined."""
        return tuple(key for key in ("network", "bootstrap") if getattr(self, key) is None)

    @property
    def first_height(self) -> int:
        """The execution block in the checkpoint."""
        assert self.bootstrap is not None
        return self.bootstrap.height

    @property
    def beacon_urls(self) -> list[str]:
        """The Beacon APIs, credentials included: for connecting, never for text."""
        return [url.reveal() for url in self.beacon]

    def rules(self) -> NetworkConfig:
        """What `network` means. Raises InvalidConfig when there is none."""
        if self.network is None:
            raise InvalidConfig(
                "network", "no network", "the beacon chain's", "Run `postroad endpoint deploy`."
            )
        return network_of(self.network)

    def params(self, chain: TrustTerms) -> EthereumParams:
        """What the chain's light clients are deployed with. Raises ValueError: none can be."""
        rules = self.rules()
        threshold = self.threshold_of(rules)
        return EthereumParams.of(rules, threshold, chain.trusting_period_s, chain.max_clock_drift_s)

    def threshold_of(self, rules: NetworkConfig) -> int:
        """How many members of a network's sync committee must sign."""
        if self.threshold is not None:
            return self.threshold
        return least_threshold(rules.preset.sync_committee_size)

    def check(self, chain: TrustTerms, where: Where) -> None:
        """Check the network, and how many of the committee must sign. Raises InvalidConfig."""
        check_schemes(self.beacon, ("http", "https"), where, "beacon")
        if self.network is None:
            return
        if isinstance(self.network, NetworkTable):
            _check_forks(self.network, where)
        try:
            rules = network_of(self.network)
        except ValueError as error:
            advice = "Compare it with the node's /eth/v1/config/spec."
            expected = "a network that the light client can follow"
            raise InvalidConfig(where("network"), str(error), expected, advice) from error
        size = rules.preset.sync_committee_size
        least = least_threshold(size)
        if self.threshold is not None and not least <= self.threshold <= size:
            advice = (
                "Fewer than two thirds of the committee could sign for another chain than the rest follows."
            )
            expected = f"{least} to {size} of {size} members"
            raise InvalidConfig(where("threshold"), str(self.threshold), expected, advice)
        try:
            self.params(chain)
        except ValueError as error:
            found, _, expected = str(error).partition(", expected ")
            advice = "No light client can be deployed with it; docs/reference/config.md explains the keys."
            found, expected = found.replace("found ", ""), expected or "other values"
            raise InvalidConfig(where(), found, expected, advice) from error


CONFIG: Final = EthereumConfig


def network_of(setting: NetworkName | NetworkTable) -> NetworkConfig:
    """What `network` in a chain's table means.

    Raises ValueError: the light client can't have such a network.
    """
    if isinstance(setting, str):
        return NETWORKS[setting]
    return NetworkConfig(
        preset=MINIMAL if setting.preset == "minimal" else MAINNET,
        genesis_time=setting.genesis_time,
        genesis_validators_root=bytes(setting.genesis_validators_root),
        slot_duration_ms=setting.slot_duration_ms,
        forks=tuple(
            Fork(ForkName[fork.name.upper()], Epoch(fork.epoch), bytes(fork.version))
            for fork in setting.forks
        ),
        blob_schedule=tuple(
            BlobParameters(Epoch(entry.epoch), entry.max_blobs_per_block) for entry in setting.blob_schedule
        ),
    )


def setting_of(network: NetworkConfig) -> NetworkName | NetworkTable:
    """How a network stands in a file: by its name where it is a known one, else as a table."""
    for name in get_args(NetworkName):
        if NETWORKS[name].genesis_validators_root == network.genesis_validators_root:
            known: NetworkName = name
            return known
    return NetworkTable(
        preset="minimal" if network.preset == MINIMAL else "mainnet",
        genesis_time=network.genesis_time,
        genesis_validators_root=Bytes32(network.genesis_validators_root),
        slot_duration_ms=network.slot_duration_ms,
        forks=tuple(
            ForkConfig(name=_fork_text(fork.name), epoch=fork.epoch, version=Bytes4(fork.version))
            for fork in network.forks
        ),
        blob_schedule=tuple(
            BlobConfig(epoch=entry.epoch, max_blobs_per_block=entry.max_blobs_per_block)
            for entry in network.blob_schedule
        ),
    )


def _fork_text(name: ForkName) -> ForkText:
    found: ForkText = next(text for text in get_args(ForkText) if text == name.name.lower())
    return found


def _check_forks(network: NetworkTable, where: Where) -> None:
    forks = network.forks
    order = get_args(ForkText)
    for earlier, later in pairwise(forks):
        if later.epoch < earlier.epoch or order.index(later.name) <= order.index(earlier.name):
            found = f"{later.name} at epoch {later.epoch} after {earlier.name} at {earlier.epoch}"
            advice = (
                "List the forks as the chain went through them; of several at one epoch all may be listed."
            )
            raise InvalidConfig(where("network", "forks"), found, "forks in ascending order", advice)
    if len({fork.version for fork in forks}) != len(forks):
        found, expected = "a fork version twice", "a version of its own for each fork"
        raise InvalidConfig(where("network", "forks"), found, expected, "Copy the list again.")
    if not any(network.genesis_validators_root):
        advice = "Read it from /eth/v1/beacon/genesis."
        expected = "the root of the genesis validators"
        raise InvalidConfig(where("network", "genesis_validators_root"), "zero", expected, advice)
