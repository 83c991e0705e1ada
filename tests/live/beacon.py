# SPDX-License-Identifier: MIT
"""A running beacon node: where its Beacon API is, and how far the chain has come as the node tells it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.live.execution import Execution
from tests.live.processes import Program, ProgramError, free_ports, make_folder
from tools._toolchain import ROOT
from tools.live.install import LIVE, VENV, node20

_START_S = 90.0


@dataclass(frozen=True, slots=True)
class BeaconNode:
    """A beacon node. `genesis_time` in seconds."""

    version: str
    program: Program
    url: str
    genesis_time: int
    slot_ms: int
    slots_per_period: int

    async def get(self, path: str) -> Any:
        """JSON of a path below /eth. Raises ProgramError for an HTTP error."""
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self.url + path) as answer:
            if answer.status != 200:
                raise ProgramError(f"GET {path}: HTTP {answer.status} {(await answer.text())[:300]}")
            return await answer.json()

    async def head_slot(self) -> int:
        """The newest block's slot."""
        return int((await self.get("/eth/v1/beacon/headers/head"))["data"]["header"]["message"]["slot"])


@contextlib.asynccontextmanager
async def run_lodestar(
    folder: Path, execution: Execution, *, slot_s: int, validators: int = 8
) -> AsyncIterator[BeaconNode]:
    """Lodestar 1.5.1 with its validators: minimal preset, Capella from genesis."""
    make_folder(folder)
    api, peers = free_ports(2)
    genesis_time = int(time.time()) + 15
    url = f"http://127.0.0.1:{api}"
    main = LIVE / "lodestar" / "node_modules" / "@chainsafe" / "lodestar" / "lib" / "index.js"
    options = f"""dev --dataDir {folder / "data"} --reset
        --genesisValidators {validators} --startValidators 0..{validators - 1} --genesisTime {genesis_time}
        --genesisEth1Hash 0x{execution.genesis_hash.hex()}
        --params.SECONDS_PER_SLOT {slot_s} --params.ALTAIR_FORK_EPOCH 0 --params.BELLATRIX_FORK_EPOCH 0
        --params.CAPELLA_FORK_EPOCH 0 --params.TERMINAL_TOTAL_DIFFICULTY 0
        --execution.urls http://127.0.0.1:{execution.engine_port} --jwt-secret {execution.secret} --eth1 false
        --rest.address 127.0.0.1 --rest.port {api} --rest.namespace * --beaconNodes {url}
        --listenAddress 127.0.0.1 --port {peers} --sync.isSingleNode --network.allowPublishToZeroPeers
        --suggestedFeeRecipient 0x000000000000000000000000000000000000fee1"""
    words: list[str | Path] = [node20(), "--max-old-space-size=1536", main, *options.split()]
    async with Program("lodestar", words, folder, {"LODESTAR_PRESET": "minimal"}) as program:
        yield await _await_node(program, url, genesis_time, slot_s * 1000)


@contextlib.asynccontextmanager
async def run_specification(
    folder: Path,
    execution: Execution,
    *,
    genesis_time: int,
    slot_ms: int,
    fulu_epoch: int,
    last_slot: int,
    seed: int,
) -> AsyncIterator[BeaconNode]:
    """The executable specification: minimal preset, Electra from genesis, Fulu from an epoch on."""
    make_folder(folder)
    (api,) = free_ports(1)
    words: list[str | Path] = [
        VENV / "bin" / "python",
        "-m",
        "tests.live.specification",
        *("--engine-port", str(execution.engine_port), "--secret", execution.secret, "--api-port", str(api)),
        *("--genesis-time", str(genesis_time), "--slot-ms", str(slot_ms), "--fulu-epoch", str(fulu_epoch)),
        *("--last-slot", str(last_slot), "--seed", str(seed)),
        *(() if execution.osaka_time is None else ("--osaka-time", str(execution.osaka_time))),
    ]
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    async with Program("specification", words, folder, environment) as program:
        yield await _await_node(program, f"http://127.0.0.1:{api}", genesis_time, slot_ms)


async def _await_node(program: Program, url: str, genesis_time: int, slot_ms: int) -> BeaconNode:
    node = BeaconNode("", program, url, genesis_time, slot_ms, 0)
    async with asyncio.timeout(_START_S):
        while (version := await _answer(node, "/eth/v1/node/version")) is None:
            program.check()
            await asyncio.sleep(0.5)
    told = (await node.get("/eth/v1/config/spec"))["data"]
    period = int(told["SLOTS_PER_EPOCH"]) * int(told["EPOCHS_PER_SYNC_COMMITTEE_PERIOD"])
    return BeaconNode(str(version["data"]["version"]), program, url, genesis_time, slot_ms, period)


async def _answer(node: BeaconNode, path: str) -> Any:
    try:
        return await node.get(path)
    except (aiohttp.ClientError, ProgramError):
        return None
