# SPDX-License-Identifier: MIT
"""What a client of Ethereum's consensus is deployed with (docs/reference/wire-formats.md §7.1)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from light_clients.client import Timestamp
from light_clients.errors import HeaderRejected
from light_clients.ethereum.config import FAR_FUTURE_EPOCH, ForkName, NetworkConfig

#: The most forks that one deployment knows.
#: There are as many from Altair to Fulu. The contract keeps them in its code, one word a fork.
MAX_FORKS: Final = 6
_U32: Final = (1 << 32) - 1
_U64: Final = (1 << 64) - 1


class WireLayout(enum.IntEnum):
    """Where a fork keeps things in its trees. The numbers are those of the contract.

    Forks that change nothing of this share a layout: Bellatrix has Altair's, and Fulu has Electra's.
    """

    ALTAIR = 1
    CAPELLA = 2
    DENEB = 3
    ELECTRA = 4

    @property
    def depth(self) -> int:
        """The levels from a field of the beacon state to its root: it has up to 32 fields, and from Electra
        on up to 64.
        """
        return 6 if self is WireLayout.ELECTRA else 5

    @property
    def shows_execution(self) -> bool:
        """Whether light-client headers of this layout carry the header of the execution payload."""
        return self is not WireLayout.ALTAIR

    @property
    def is_wide(self) -> bool:
        """Whether that header has more than 16 fields."""
        return self >= WireLayout.DENEB


#: The layout of a fork. Gloas has none: its headers show the hash of the execution block, and it is not
#: final.
WIRE_LAYOUTS: Final = {
    ForkName.ALTAIR: WireLayout.ALTAIR,
    ForkName.BELLATRIX: WireLayout.ALTAIR,
    ForkName.CAPELLA: WireLayout.CAPELLA,
    ForkName.DENEB: WireLayout.DENEB,
    ForkName.ELECTRA: WireLayout.ELECTRA,
    ForkName.FULU: WireLayout.ELECTRA,
}


@dataclass(frozen=True, slots=True)
class WireFork:
    """A fork as the contract knows it.

    Attributes:
        epoch: the first epoch that it governs.
        version: 4 bytes, which are part of what is signed.
        layout: where it keeps things in its trees.
    """

    epoch: int
    version: bytes
    layout: WireLayout


@dataclass(frozen=True, slots=True)
class EthereumParams:
    """What a client is deployed with. It never changes.

    Attributes:
        genesis_time: the time of slot 0, in seconds.
        slot_duration_ms: the length of a slot.
        slots_per_epoch: the slots of an epoch.
        slots_per_period: the slots of a sync committee's period, a whole number of epochs.
        committee_size: the seats of a sync committee, a power of two.
        threshold: how many members have to sign, at least two thirds of the seats.
        trusting_period_s: for how long after its time a finalized header is believed.
        max_clock_drift_s: how far the slot of a signature may lie ahead of now.
        genesis_validators_root: 32 bytes, which are part of what is signed.
        forks: by ascending epoch. Nothing before the first fork is believed.
    """

    genesis_time: int
    slot_duration_ms: int
    slots_per_epoch: int
    slots_per_period: int
    committee_size: int
    threshold: int
    trusting_period_s: int
    max_clock_drift_s: int
    genesis_validators_root: bytes
    forks: tuple[WireFork, ...]

    def __post_init__(self) -> None:
        """Check what the contract's constructor checks.

        Raises:
            ValueError: no client can be deployed with this.
        """
        size = self.committee_size
        # The keys fill a binary tree, and the marks of the absent fill whole bytes.
        _require(8 <= size <= 512 and size.bit_count() == 1, "committee_size", size, "a power of two, 8..512")
        # Fewer than two thirds could sign for another chain than the rest of the committee follows (INV-7).
        least = least_threshold(size)
        _require(least <= self.threshold <= size, "threshold", self.threshold, f"{least}..{size} members")
        for name in ("slot_duration_ms", "slots_per_epoch", "slots_per_period"):
            _require(0 < getattr(self, name) <= _U32, name, getattr(self, name), "1..2³² - 1")
        _require(
            self.slots_per_period % self.slots_per_epoch == 0,
            "slots_per_period",
            self.slots_per_period,
            f"whole epochs of {self.slots_per_epoch} slots",
        )
        _require(0 <= self.genesis_time <= _U64, "genesis_time", self.genesis_time, "a u64")
        # A header that may be ahead by as much as trust lasts could keep a client alive that nobody updates.
        _require(
            0 <= self.max_clock_drift_s < self.trusting_period_s <= _U32,
            "max_clock_drift_s and trusting_period_s",
            f"{self.max_clock_drift_s} and {self.trusting_period_s}",
            "a drift below the period, a period below 2³²",
        )
        root = self.genesis_validators_root
        _require(len(root) == 32, "genesis_validators_root", root.hex(), "32 bytes")
        _require(1 <= len(self.forks) <= MAX_FORKS, "forks", len(self.forks), f"1..{MAX_FORKS}")
        for fork in self.forks:
            _require(0 <= fork.epoch <= _U64, "a fork's epoch", fork.epoch, "a u64")
            _require(len(fork.version) == 4, "a fork's version", fork.version.hex(), "4 bytes")
        for low, high in pairwise(self.forks):
            _require(low.epoch < high.epoch, "a fork's epoch", high.epoch, f"more than {low.epoch}")

    @classmethod
    def of(
        cls, config: NetworkConfig, threshold: int, trusting_period_s: int, max_clock_drift_s: int
    ) -> Self:
        """Return the parameters of a client of a network, with every scheduled fork of it that has a layout.

        Of several forks at one epoch only the last is kept: the others are never in force.

        Raises:
            ValueError: no client can be deployed with this.
        """
        forks = {
            int(fork.epoch): WireFork(int(fork.epoch), fork.version, WIRE_LAYOUTS[fork.name])
            for fork in config.forks
            if fork.name in WIRE_LAYOUTS and fork.epoch < FAR_FUTURE_EPOCH
        }
        preset = config.preset
        return cls(
            genesis_time=config.genesis_time,
            slot_duration_ms=config.slot_duration_ms,
            slots_per_epoch=preset.slots_per_epoch,
            slots_per_period=preset.slots_per_period,
            committee_size=preset.sync_committee_size,
            threshold=threshold,
            trusting_period_s=trusting_period_s,
            max_clock_drift_s=max_clock_drift_s,
            genesis_validators_root=config.genesis_validators_root,
            forks=tuple(forks[epoch] for epoch in sorted(forks)),
        )

    def period_at(self, slot: int) -> int:
        """Return the sync committee's period of a slot."""
        return slot // self.slots_per_period

    def timestamp_at(self, slot: int) -> Timestamp:
        """Return the time at which a slot begins, in seconds."""
        return Timestamp(self.genesis_time + slot * self.slot_duration_ms // 1000)

    def fork_at(self, slot: int) -> WireFork:
        """Return the fork that is in force at a slot.

        Raises:
            HeaderRejected: the slot lies before the first fork.
        """
        epoch = slot // self.slots_per_epoch
        for fork in reversed(self.forks):
            if fork.epoch <= epoch:
                return fork
        raise HeaderRejected(
            "a slot lies before the first fork",
            found=slot,
            expected=f"at least {self.forks[0].epoch * self.slots_per_epoch}",
        )


def least_threshold(committee_size: int) -> int:
    """Return two thirds of a committee, rounded up. A client cannot be deployed with a lower threshold."""
    return -(-2 * committee_size // 3)


def _require(holds: bool, name: str, found: object, expected: str) -> None:
    if not holds:
        raise ValueError(f"{name}: found {found}, expected {expected}")
