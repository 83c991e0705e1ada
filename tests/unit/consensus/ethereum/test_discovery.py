# SPDX-License-Identifier: MIT
"""Which network a beacon node serves: read from what it tells, and held against what the file says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from light_clients.ethereum.config import (
    FAR_FUTURE_EPOCH,
    MAINNET_CONFIG,
    MINIMAL,
    SEPOLIA_CONFIG,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
)
from relayer.consensus.ethereum.config import network_of, setting_of
from relayer.consensus.ethereum.discovery import (
    discover_network,
    find_differences,
    missing_forks,
    read_network,
)
from relayer.consensus.ethereum.local.network_json import genesis_json, spec_json
from relayer.errors import ChainUnavailable, RpcAnswerInvalid

ROOT = b"\x77" * 32
LOCAL = NetworkConfig(
    preset=MINIMAL,
    genesis_time=1_700_000_000,
    genesis_validators_root=ROOT,
    slot_duration_ms=300,
    forks=(
        Fork(ForkName.CAPELLA, Epoch(0), b"\x03\0\0\1"),
        Fork(ForkName.DENEB, Epoch(0), b"\x04\0\0\1"),
        Fork(ForkName.ELECTRA, Epoch(8), b"\x05\0\0\1"),
    ),
)


def spec(network: NetworkConfig = LOCAL, **changes: Any) -> dict[str, Any]:
    told = spec_json(network) | changes
    return {name: value for name, value in told.items() if value is not None}


def read(told: dict[str, Any]) -> NetworkConfig:
    return read_network(told, LOCAL.genesis_time, ROOT)


@pytest.mark.parametrize("network", [MAINNET_CONFIG, SEPOLIA_CONFIG], ids=["mainnet", "sepolia"])
def test_known_networks_come_out_as_they_are(network: NetworkConfig) -> None:
    told = spec(network)
    found = read_network(told, network.genesis_time, network.genesis_validators_root)
    assert find_differences(network, found) == []
    assert missing_forks(network, found) == []
    assert setting_of(found) in {"mainnet", "sepolia"}


def test_forks_that_are_not_scheduled_are_left_out() -> None:
    found = read(spec())
    assert [fork.name for fork in found.forks][-1] is ForkName.ELECTRA
    assert network_of(setting_of(found)) == found
    later = read(spec(FULU_FORK_EPOCH="16", FULU_FORK_VERSION="0x06000001"))
    assert [fork.name for fork in missing_forks(LOCAL, later)][-1] is ForkName.FULU
    assert find_differences(LOCAL, later) == []


def test_blob_parameters_are_electras_and_then_the_schedules() -> None:
    schedule = [
        {"EPOCH": "20", "MAX_BLOBS_PER_BLOCK": "15"},
        {"EPOCH": str(FAR_FUTURE_EPOCH), "MAX_BLOBS_PER_BLOCK": "1"},
    ]
    found = read(spec(BLOB_SCHEDULE=schedule, MAX_BLOBS_PER_BLOCK_ELECTRA="9"))
    assert [(item.epoch, item.max_blobs_per_block) for item in found.blob_schedule] == [(8, 9), (20, 15)]


def test_slots_may_be_told_in_seconds() -> None:
    assert read(spec(SLOT_DURATION_MS=None, SECONDS_PER_SLOT="12")).slot_duration_ms == 12_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SLOTS_PER_EPOCH": "16"}, "SLOTS_PER_EPOCH 16"),
        ({"SLOTS_PER_EPOCH": None}, "no number SLOTS_PER_EPOCH"),
        ({"SLOTS_PER_EPOCH": "-8"}, "no number SLOTS_PER_EPOCH"),
        ({"SYNC_COMMITTEE_SIZE": "9" * 30}, "no number SYNC_COMMITTEE_SIZE"),
        ({"SLOT_DURATION_MS": "0"}, "take no time"),
        ({"SLOT_DURATION_MS": None, "SECONDS_PER_SLOT": None}, "no number SECONDS_PER_SLOT"),
        ({"DENEB_FORK_VERSION": "0x0400"}, "no DENEB_FORK_VERSION"),
        ({"DENEB_FORK_VERSION": 4}, "no DENEB_FORK_VERSION"),
        ({"DENEB_FORK_EPOCH": "9"}, "out of order"),
        ({f"{name.name}_FORK_EPOCH": str(FAR_FUTURE_EPOCH) for name in ForkName}, "without sync committees"),
        ({"BLOB_SCHEDULE": ["x"]}, "BLOB_SCHEDULE"),
    ],
)
def test_what_makes_no_network_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RpcAnswerInvalid) as caught:
        read(spec(**changes))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("told", "what"),
    [
        (replace(LOCAL, genesis_validators_root=b"\x01" * 32), "the genesis validators' root"),
        (replace(LOCAL, genesis_time=1), "the genesis time"),
        (replace(LOCAL, slot_duration_ms=12_000), "the slots' length in ms"),
        (replace(LOCAL, preset=MAINNET_CONFIG.preset), "the preset"),
        (
            replace(LOCAL, forks=(*LOCAL.forks[:2], Fork(ForkName.ELECTRA, Epoch(9), b"\x05\0\0\1"))),
            "the fork electra",
        ),
        (
            replace(LOCAL, forks=(*LOCAL.forks[:2], Fork(ForkName.ELECTRA, Epoch(8), b"\x05\0\0\2"))),
            "the fork electra",
        ),
    ],
)
def test_a_contradiction_is_named(told: NetworkConfig, what: str) -> None:
    (difference,) = find_differences(LOCAL, told)
    assert difference.what == what
    assert difference.found != difference.expected


def test_a_node_that_does_not_know_a_later_fork_contradicts_nothing() -> None:
    assert find_differences(LOCAL, replace(LOCAL, forks=LOCAL.forks[:2])) == []


Serve = Callable[[dict[str, Any]], Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Beacon nodes on loopback; an answer is JSON, or a status."""
    runners = []

    async def start(answers: dict[str, Any]) -> str:
        async def handle(request: web.Request) -> web.Response:
            answer = answers.get(request.path, 404)
            if isinstance(answer, int):
                return web.Response(status=answer)
            return web.Response(body=json.dumps(answer), content_type="application/json")

        app = web.Application()
        app.router.add_get("/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.mark.network
async def test_the_first_node_that_can_be_understood_is_taken(serve: Serve) -> None:
    good = {"/eth/v1/config/spec": {"data": spec()}, "/eth/v1/beacon/genesis": {"data": genesis_json(LOCAL)}}
    down, odd, right = await serve({}), await serve({key: {"data": [1]} for key in good}), await serve(good)
    found = await discover_network("eth", [down, odd, right])
    assert find_differences(LOCAL, found) == []


@pytest.mark.network
async def test_when_nobody_tells_it_is_said_with_what_to_do_and_without_secrets(serve: Serve) -> None:
    url = (await serve({})).replace("http://", "http://user:hunter2@")
    with pytest.raises(ChainUnavailable) as caught:
        await discover_network("eth", [url + "/s3cret"])
    told = f"{caught.value} {caught.value.advice}"
    assert "no Beacon API of eth tells its network" in told
    assert "chains.eth.consensus.beacon" in told
    assert "hunter2" not in told
    assert "s3cret" not in told
