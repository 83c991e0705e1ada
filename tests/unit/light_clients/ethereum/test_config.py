# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.client import Timestamp
from light_clients.errors import HeaderRejected
from light_clients.ethereum.config import (
    MAINNET_CONFIG,
    MINIMAL,
    NETWORKS,
    SEPOLIA_CONFIG,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Slot,
)
from tests.support.sync_chain import network

CONFIG = network(altair=1, capella=3, deneb=3, electra=5)


def test_epochs_and_periods_change_at_the_exact_slot() -> None:
    assert [CONFIG.epoch_at(Slot(slot)) for slot in (0, 7, 8, 15, 16)] == [0, 0, 1, 1, 2]
    assert [CONFIG.period_at(Slot(slot)) for slot in (0, 63, 64, 127, 128)] == [0, 0, 1, 1, 2]
    assert MAINNET_CONFIG.period_at(Slot(6_209_536)) == 758
    assert MAINNET_CONFIG.period_at(Slot(6_209_535)) == 757


def test_forks_change_at_the_exact_slot_and_the_last_of_an_epoch_governs_it() -> None:
    names = {slot: CONFIG.fork_at_slot(Slot(slot)).name for slot in (8, 23, 24, 39, 40, 10**9)}
    assert names == {
        8: ForkName.ALTAIR,
        23: ForkName.ALTAIR,
        24: ForkName.DENEB,
        39: ForkName.DENEB,
        40: ForkName.ELECTRA,
        10**9: ForkName.ELECTRA,
    }
    with pytest.raises(HeaderRejected, match="before the first fork"):
        CONFIG.fork_at_slot(Slot(7))


@pytest.mark.parametrize("slot_duration_ms", [12_000, 6000, 2000, 1500, 1000, 500, 333])
def test_slots_and_times_agree(slot_duration_ms: int) -> None:
    forks = CONFIG.forks
    config = NetworkConfig(MINIMAL, 1000, bytes(32), slot_duration_ms, forks)
    for slot in range(200):
        time = config.timestamp_at(Slot(slot))
        assert time == 1000 + slot * slot_duration_ms // 1000
        found = config.slot_at(time)
        assert config.timestamp_at(found) <= time < config.timestamp_at(Slot(found + 1))
        assert found == slot or slot_duration_ms < 1000
    assert config.slot_at(Timestamp(0)) == 0


def test_digests_are_those_of_mainnet() -> None:
    # From the executable specification; Deneb's is also in what Portal nodes store.
    config = MAINNET_CONFIG
    digests = [config.fork_digest(fork).hex() for fork in config.forks]
    assert digests == ["afcaaba0", "4a26c58b", "bba4da96", "6a95a1a9", "ad532ceb", "cc2c5cdb"]
    fulu = config.forks[-1]
    # EIP-7892: the blob parameters change the digest without a fork.
    assert [config.fork_digest(fulu, Epoch(epoch)).hex() for epoch in (412_671, 412_672, 419_072)] == [
        "cc2c5cdb",
        "cb0d1acc",
        "8c9f62fe",
    ]
    for digest in ("bba4da96", "cb0d1acc", "8c9f62fe"):
        fork = config.fork_with_digest(bytes.fromhex(digest))
        assert fork.name is (ForkName.CAPELLA if digest == "bba4da96" else ForkName.FULU)
    with pytest.raises(HeaderRejected, match="digest"):
        config.fork_with_digest(bytes(4))


def test_a_digest_needs_its_blob_parameters() -> None:
    config = network(altair=0, fulu=1)
    with pytest.raises(HeaderRejected, match="blob parameters"):
        config.fork_digest(config.forks[1])


def test_known_networks_are_complete_and_apart() -> None:
    assert set(NETWORKS) == {"mainnet", "sepolia"}
    for config in NETWORKS.values():
        assert [fork.name for fork in config.forks] == list(ForkName)[:-1]
        assert config.fork_named(ForkName.GLOAS) is None
    assert SEPOLIA_CONFIG.genesis_validators_root != MAINNET_CONFIG.genesis_validators_root


@pytest.mark.parametrize(
    "forks",
    [
        (),
        (Fork(ForkName.DENEB, Epoch(2), bytes(4)), Fork(ForkName.CAPELLA, Epoch(1), bytes(4))),
        (Fork(ForkName.DENEB, Epoch(1), bytes(4)), Fork(ForkName.CAPELLA, Epoch(1), bytes(4))),
        (Fork(ForkName.DENEB, Epoch(1), bytes(4)), Fork(ForkName.DENEB, Epoch(2), bytes(4))),
        (Fork(ForkName.DENEB, Epoch(1), bytes(3)),),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(forks: tuple[Fork, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        NetworkConfig(MINIMAL, 0, bytes(32), 1000, forks)


def test_labels_are_read_exactly() -> None:
    assert [ForkName.parse(fork.label) for fork in ForkName] == list(ForkName)
    for wrong in ("Deneb", "phase0", "", None, 4):
        with pytest.raises(HeaderRejected, match="unknown fork"):
            ForkName.parse(wrong)
