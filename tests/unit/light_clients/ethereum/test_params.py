# SPDX-License-Identifier: MIT
"""What a client may be deployed with (wire-formats §7.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from light_clients.errors import HeaderRejected
from light_clients.ethereum.config import (
    FAR_FUTURE_EPOCH,
    MAINNET_CONFIG,
    MINIMAL,
    SEPOLIA_CONFIG,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Slot,
)
from light_clients.ethereum.params import EthereumParams, WireFork, WireLayout, least_threshold

PARAMS = EthereumParams.of(MAINNET_CONFIG, 342, 1_000_000, 60)


def test_mainnet() -> None:
    assert [int(fork.layout) for fork in PARAMS.forks] == [1, 1, 2, 3, 4, 4]
    assert [fork.epoch for fork in PARAMS.forks] == [fork.epoch for fork in MAINNET_CONFIG.forks]
    assert (PARAMS.slots_per_epoch, PARAMS.slots_per_period, PARAMS.committee_size) == (32, 8192, 512)


@pytest.mark.parametrize("config", [MAINNET_CONFIG, SEPOLIA_CONFIG])
@pytest.mark.parametrize("slot", [6_209_535, 6_209_536, 6_209_537, 9_000_000, 12_000_000])
def test_times_and_forks_are_the_networks(config: NetworkConfig, slot: int) -> None:
    params = EthereumParams.of(config, 342, 1_000_000, 60)
    assert params.fork_at(slot).version == config.fork_at_slot(Slot(slot)).version
    assert params.timestamp_at(slot) == config.timestamp_at(Slot(slot))
    assert params.period_at(slot) == config.period_at(Slot(slot))


def test_forks_without_a_layout_or_an_epoch_of_their_own_are_left_out() -> None:
    rows = [("ALTAIR", 0), ("BELLATRIX", 0), ("CAPELLA", 0), ("DENEB", 4), ("GLOAS", 9)]
    forks = [
        Fork(ForkName[name], Epoch(epoch), bytes([index] * 4)) for index, (name, epoch) in enumerate(rows)
    ]
    forks.insert(4, Fork(ForkName.ELECTRA, Epoch(5), b"\7" * 4))
    config = NetworkConfig(MINIMAL, 0, bytes(32), 6000, tuple(forks))
    found = EthereumParams.of(config, 22, 1000, 10).forks
    assert found == (
        WireFork(0, b"\2" * 4, WireLayout.CAPELLA),
        WireFork(4, b"\3" * 4, WireLayout.DENEB),
        WireFork(5, b"\7" * 4, WireLayout.ELECTRA),
    )
    unscheduled = replace(config, forks=(*forks[:3], Fork(ForkName.DENEB, FAR_FUTURE_EPOCH, b"\3" * 4)))
    assert len(EthereumParams.of(unscheduled, 22, 1000, 10).forks) == 1


def test_nothing_before_the_first_fork() -> None:
    first = 74_240 * 32
    assert PARAMS.fork_at(first).layout is WireLayout.ALTAIR
    with pytest.raises(HeaderRejected, match="first fork"):
        PARAMS.fork_at(first - 1)


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128, 256, 512])
def test_two_thirds_are_rounded_up(size: int) -> None:
    least = least_threshold(size)
    assert 3 * least >= 2 * size > 3 * (least - 1)


@pytest.mark.parametrize(
    "change",
    [
        {"committee_size": 4, "threshold": 4},
        {"committee_size": 1024, "threshold": 1024},
        {"committee_size": 48, "threshold": 48},
        {"threshold": 341},
        {"threshold": 513},
        {"slot_duration_ms": 0},
        {"slots_per_epoch": 0},
        {"slots_per_period": 0},
        {"slots_per_period": 33},
        {"slots_per_period": 2**32},
        {"genesis_time": 2**64},
        {"trusting_period_s": 60},
        {"trusting_period_s": 2**32},
        {"max_clock_drift_s": -1},
        {"genesis_validators_root": bytes(31)},
        {"forks": ()},
        {"forks": tuple(WireFork(epoch, bytes(4), WireLayout.DENEB) for epoch in range(7))},
        {"forks": (WireFork(1, bytes(4), WireLayout.DENEB), WireFork(1, bytes(4), WireLayout.ELECTRA))},
        {"forks": (WireFork(2, bytes(4), WireLayout.DENEB), WireFork(1, bytes(4), WireLayout.ELECTRA))},
        {"forks": (WireFork(0, bytes(3), WireLayout.DENEB),)},
        {"forks": (WireFork(2**64, bytes(4), WireLayout.DENEB),)},
    ],
)
def test_what_no_contract_can_be_deployed_with(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"found .* expected"):
        replace(PARAMS, **change)
