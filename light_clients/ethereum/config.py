# SPDX-License-Identifier: MIT
"""What tells one network from another: its preset, genesis and fork schedule; and the arithmetic of its
slots.

Sources: consensus-specs `presets/*` and `configs/mainnet.yaml`; eth-clients/sepolia `metadata/config.yaml`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NewType, Self

from light_clients.client import Timestamp
from light_clients.errors import HeaderRejected

#: The number of a beacon slot, in which at most one block is proposed. It is never a storage slot.
Slot = NewType("Slot", int)
#: The number of an epoch: `Preset.slots_per_epoch` slots. Forks begin at epochs.
Epoch = NewType("Epoch", int)
#: The number of a sync committee's term of office: `Preset.slots_per_period` slots.
Period = NewType("Period", int)

GENESIS_SLOT: Final = Slot(0)
#: The epoch of a fork that is not scheduled.
FAR_FUTURE_EPOCH: Final = Epoch(2**64 - 1)


class ForkName(enum.IntEnum):
    """The forks that light clients know, in their order, so that they can be compared."""

    ALTAIR = 1
    BELLATRIX = 2
    CAPELLA = 3
    DENEB = 4
    ELECTRA = 5
    FULU = 6
    #: It is not final; this is what consensus-specs 1.7.0-alpha defines.
    GLOAS = 7

    @property
    def label(self) -> str:
        """The name as the Beacon API writes it under `version`, in lower case."""
        return self.name.lower()

    @classmethod
    def parse(cls, label: object) -> Self:
        """Return the fork of a label.

        Raises:
            HeaderRejected: no known fork has this label.
        """
        for fork in cls:
            if label == fork.label:
                return fork
        raise HeaderRejected(
            "an object is of an unknown fork",
            found=repr(label),
            expected=", ".join(fork.label for fork in cls),
        )


@dataclass(frozen=True, slots=True)
class Preset:
    """The sizes that are compiled into the nodes of a network.

    Attributes:
        name: as the Beacon API gives it under `PRESET_BASE`.
        slots_per_epoch: the slots of an epoch.
        epochs_per_sync_committee_period: the epochs of a sync committee's period.
        sync_committee_size: the seats of a sync committee; a validator may have several.
    """

    name: str
    slots_per_epoch: int
    epochs_per_sync_committee_period: int
    sync_committee_size: int

    @property
    def slots_per_period(self) -> int:
        """The slots of a sync committee's period, which is also the specification's `UPDATE_TIMEOUT`."""
        return self.slots_per_epoch * self.epochs_per_sync_committee_period


MINIMAL: Final = Preset("minimal", 8, 8, 32)
MAINNET: Final = Preset("mainnet", 32, 256, 512)


@dataclass(frozen=True, slots=True)
class Fork:
    """A fork of a network.

    Attributes:
        name: which rules it brings.
        epoch: the first epoch that it governs.
        version: 4 bytes, which are part of what is signed.
    """

    name: ForkName
    epoch: Epoch
    version: bytes


@dataclass(frozen=True, slots=True)
class BlobParameters:
    """How many blobs a block may hold from an epoch on (EIP-7892). Here it matters for the fork digest only.

    Attributes:
        epoch: the first epoch that this governs.
        max_blobs_per_block: the limit.
    """

    epoch: Epoch
    max_blobs_per_block: int


def compute_fork_data_root(current_version: bytes, genesis_validators_root: bytes) -> bytes:
    """Return the 32 bytes that tell signatures of one fork and network from those of another.

    Source: `specs/phase0/beacon-chain.md`.
    """
    return sha256(current_version.ljust(32, b"\x00") + genesis_validators_root).digest()


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """A network.

    Attributes:
        preset: its sizes.
        genesis_time: the time of slot 0, in seconds since 1970.
        genesis_validators_root: 32 bytes, which tell networks with equal fork versions apart.
        slot_duration_ms: the length of a slot.
        forks: by ascending epoch, where several may share one. Nothing before the first fork is believed.
        blob_schedule: by ascending epoch. Where an epoch of Fulu or later has no entry, its digest can't be
            computed.
    """

    preset: Preset
    genesis_time: int
    genesis_validators_root: bytes
    slot_duration_ms: int
    forks: tuple[Fork, ...]
    blob_schedule: tuple[BlobParameters, ...] = ()

    def __post_init__(self) -> None:
        order = [(fork.epoch, fork.name) for fork in self.forks]
        if not order or order != sorted(order) or len({name for _, name in order}) != len(order):
            raise ValueError(f"found forks {order}, expected one or more, each once, by ascending epoch")
        if any(len(fork.version) != 4 for fork in self.forks) or len(self.genesis_validators_root) != 32:
            raise ValueError("expected fork versions of 4 bytes and a genesis validators root of 32")

    def epoch_at(self, slot: Slot) -> Epoch:
        """Return the epoch of a slot (`compute_epoch_at_slot`)."""
        return Epoch(slot // self.preset.slots_per_epoch)

    def period_at(self, slot: Slot) -> Period:
        """Return the sync committee's period of a slot (`compute_sync_committee_period_at_slot`)."""
        return Period(slot // self.preset.slots_per_period)

    def timestamp_at(self, slot: Slot) -> Timestamp:
        """Return the time at which a slot begins, in whole seconds."""
        return Timestamp(self.genesis_time + slot * self.slot_duration_ms // 1000)

    def slot_at(self, time: Timestamp) -> Slot:
        """Return the last slot that has begun at a time, by `timestamp_at`; slot 0 before genesis."""
        elapsed_s = time - self.genesis_time
        # `timestamp_at` rounds down to whole seconds, so a slot counts as begun up to 999 ms early.
        return Slot((elapsed_s * 1000 + 999) // self.slot_duration_ms) if elapsed_s >= 0 else GENESIS_SLOT

    def fork_at(self, epoch: Epoch) -> Fork:
        """Return the fork that governs an epoch: the last one whose epoch is not greater.

        Raises:
            HeaderRejected: the epoch lies before the first fork.
        """
        # Several forks may share an epoch, and then only the last of them is ever in force.
        for fork in reversed(self.forks):
            if epoch >= fork.epoch:
                return fork
        raise HeaderRejected(
            "an epoch lies before the first fork with sync committees",
            found=epoch,
            expected=f"at least {self.forks[0].epoch} ({self.forks[0].name.label})",
        )

    def fork_at_slot(self, slot: Slot) -> Fork:
        """Return the fork that governs a slot.

        Raises:
            HeaderRejected: the slot lies before the first fork.
        """
        return self.fork_at(self.epoch_at(slot))

    def fork_named(self, name: ForkName) -> Fork | None:
        """Return the fork of this name; None where it is not scheduled."""
        return next((fork for fork in self.forks if fork.name is name), None)

    def fork_digest(self, fork: Fork, epoch: Epoch | None = None) -> bytes:
        """Return the 4 bytes that name the rules of an epoch of a fork, by default of its first
        (`compute_fork_digest`).

        From Fulu on the blob parameters are part of the digest, so that one fork has several digests
        (EIP-7892).

        Raises:
            HeaderRejected: the blob parameters of that epoch are not known.
        """
        base = compute_fork_data_root(fork.version, self.genesis_validators_root)
        if fork.name < ForkName.FULU:
            return base[:4]
        at = fork.epoch if epoch is None else epoch
        known = [entry for entry in self.blob_schedule if at >= entry.epoch]
        if not known:
            raise HeaderRejected(
                "the network's blob parameters are not known",
                found=f"epoch {at}",
                expected="an entry of the blob schedule",
            )
        entry = known[-1]
        mask = sha256(
            entry.epoch.to_bytes(8, "little") + entry.max_blobs_per_block.to_bytes(8, "little")
        ).digest()
        return bytes(a ^ b for a, b in zip(base[:4], mask, strict=False))

    def fork_with_digest(self, digest: bytes) -> Fork:
        """Return the fork that a digest names, in whichever of its epochs.

        Raises:
            HeaderRejected: no fork has this digest.
        """
        for fork in self.forks:
            epochs = [fork.epoch]
            if fork.name >= ForkName.FULU:
                epochs += [entry.epoch for entry in self.blob_schedule if entry.epoch > fork.epoch]
            if any(self.fork_digest(fork, epoch) == digest for epoch in epochs):
                return fork
        raise HeaderRejected(
            "a fork digest is unknown", found=digest, expected=[fork.name.label for fork in self.forks]
        )


def _forks(*rows: tuple[ForkName, int, str]) -> tuple[Fork, ...]:
    return tuple(Fork(name, Epoch(epoch), bytes.fromhex(version)) for name, epoch, version in rows)


def _blobs(*rows: tuple[int, int]) -> tuple[BlobParameters, ...]:
    return tuple(BlobParameters(Epoch(epoch), count) for epoch, count in rows)


MAINNET_CONFIG: Final = NetworkConfig(
    preset=MAINNET,
    genesis_time=1_606_824_023,
    genesis_validators_root=bytes.fromhex("4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"),
    slot_duration_ms=12_000,
    forks=_forks(
        (ForkName.ALTAIR, 74_240, "01000000"),
        (ForkName.BELLATRIX, 144_896, "02000000"),
        (ForkName.CAPELLA, 194_048, "03000000"),
        (ForkName.DENEB, 269_568, "04000000"),
        (ForkName.ELECTRA, 364_032, "05000000"),
        (ForkName.FULU, 411_392, "06000000"),
    ),
    blob_schedule=_blobs((364_032, 9), (412_672, 15), (419_072, 21)),
)
SEPOLIA_CONFIG: Final = NetworkConfig(
    preset=MAINNET,
    genesis_time=1_655_733_600,
    genesis_validators_root=bytes.fromhex("d8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078"),
    slot_duration_ms=12_000,
    forks=_forks(
        (ForkName.ALTAIR, 50, "90000070"),
        (ForkName.BELLATRIX, 100, "90000071"),
        (ForkName.CAPELLA, 56_832, "90000072"),
        (ForkName.DENEB, 132_608, "90000073"),
        (ForkName.ELECTRA, 222_464, "90000074"),
        (ForkName.FULU, 272_640, "90000075"),
    ),
    blob_schedule=_blobs((222_464, 9), (274_176, 15), (275_712, 21)),
)
#: The networks that can be chosen by name.
NETWORKS: Final = {"mainnet": MAINNET_CONFIG, "sepolia": SEPOLIA_CONFIG}
