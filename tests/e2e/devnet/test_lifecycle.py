# SPDX-License-Identifier: MIT
"""Chains start on free ports, and leave no process, no port and no file, however they end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from light_clients.bft.preimage import BftKind
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.errors import ChainStartError, DevnetError, ExecutionError, SpecError
from relayer.devnet.network.network import Network
from relayer.devnet.process import anvil as anvil_module
from relayer.devnet.process.child_process import running_pids
from relayer.devnet.process.ports import PORTS, free_port, listen_on
from relayer.devnet.process.process_identity import start_mark
from tests.support.devnet import ON_DEMAND, Client, Refused

# Starts a chain, says which processes and ports it has, and waits to be ended.
HOLDER: Final = """
import asyncio, signal
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.devnet.chain.chain_options import ChainOptions

async def main():
    async with LocalBftChain("alpha", ChainOptions(block_time_s=0.05, guard=GUARD)) as chain:
        upstream = chain.anvil.port
        print(*chain.pids, chain.http_url.rsplit(":", 1)[1], upstream, flush=True)
        await chain.wait_for(3)
        await asyncio.sleep(60)

# Shells start background jobs, and so perhaps this, with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main())
"""


def eventually(true: Callable[[], bool], within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_empty(directory: Path) -> bool:
    return not list(directory.iterdir())


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.glob("*/children") for child in task.read_text().split()]


async def test_stopping_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    chain = LocalBftChain("alpha", ChainOptions(block_time_s=0.05))
    async with chain:
        pid, ports = chain.pids[0], (chain.rpc_servers[0].port, chain.anvil.port)
        assert start_mark(pid)
        assert all(port in PORTS and is_open(port) for port in ports)
        async with Client(chain.http_url) as client:
            assert await client.call("eth_chainId") == hex(chain.chain_id)
        await chain.wait_for(3)
    await chain.stop()
    assert not start_mark(pid)
    assert not any(is_open(port) for port in ports)
    assert is_empty(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("guard", [False, True], ids=["parent-death signal", "guard process"])
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_end_of_the_parent_is_the_end_of_anvil(
    ending: signal.Signals, guard: bool, tmp_path: Path
) -> None:
    """By a signal that Python handles, by one it does not, and by one that nobody can."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    words = [sys.executable, "-c", HOLDER.replace("GUARD", str(guard))]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as holder:
        assert holder.stdout is not None
        pid, *ports = map(int, holder.stdout.readline().split())
        family = [pid, *children_of(pid)]
        assert len(family) == (2 if guard else 1)
        assert all(start_mark(member) for member in family)
        holder.send_signal(ending)
        holder.wait(timeout=10)
    assert eventually(lambda: not any(start_mark(member) for member in family))
    assert eventually(lambda: not any(is_open(port) for port in ports))
    assert is_empty(tmp_path)


async def test_the_death_of_anvil_is_noticed() -> None:
    async with (
        LocalBftChain("alpha", ChainOptions(block_time_s=0.05)) as chain,
        Client(chain.http_url) as client,
    ):
        ended = asyncio.create_task(chain.wait_ended())
        os.kill(chain.pids[0], signal.SIGKILL)
        with pytest.raises(ExecutionError, match="anvil"):
            await asyncio.wait_for(ended, 5)
        with pytest.raises(Refused, match="anvil"):
            await client.call("eth_gasPrice")


async def test_nobody_else_may_make_blocks() -> None:
    async with LocalBftChain("alpha", ON_DEMAND) as chain:
        await chain.anvil.upstream.call("evm_mine")
        with pytest.raises(ExecutionError, match="Nobody but the front"):
            await chain.mine()


async def test_a_taken_port_is_said_and_nothing_stays() -> None:
    with listen_on(0) as taken:
        port = taken.getsockname()[1]
        chain = LocalBftChain("alpha", ChainOptions(port=port))
        with pytest.raises(ChainStartError, match=f"port {port} of 127.0.0.1 is taken"):
            await chain.start()
    with pytest.raises(DevnetError, match="not started"):
        assert chain.http_url


async def test_a_port_that_anvil_cannot_have_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may take a port between our look and anvil's start."""
    with listen_on(0) as taken:
        offered: Iterator[int] = iter([taken.getsockname()[1]])
        find = free_port
        monkeypatch.setattr(anvil_module, "free_port", lambda avoid=None: next(offered, None) or find(avoid))
        # The front's port is given, so that the first port asked for is anvil's.
        async with LocalBftChain("alpha", ChainOptions(block_time_s=None, port=find())) as chain:
            assert chain.anvil.port != taken.getsockname()[1]


async def test_a_missing_anvil_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROAD_ANVIL", "/nowhere/anvil")
    with pytest.raises(ChainStartError, match="/nowhere/anvil"):
        await LocalBftChain("alpha").start()


async def test_a_program_that_is_not_anvil_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    impostor = tmp_path / "anvil"
    impostor.write_text("#!/bin/sh\necho 'I am no anvil' >&2\nexit 3\n")
    impostor.chmod(0o755)
    monkeypatch.setenv("POSTROAD_ANVIL", str(impostor))
    with pytest.raises(ChainStartError, match="ended with code 3 and said: I am no anvil"):
        await LocalBftChain("alpha").start()


async def test_a_chain_starts_once() -> None:
    async with LocalBftChain("alpha", ON_DEMAND) as chain:
        with pytest.raises(DevnetError, match="second start"):
            await chain.start()
        assert chain.head.number == 1


async def test_blocks_come_by_the_clock_and_never_from_the_future() -> None:
    async with LocalBftChain("alpha", ChainOptions(block_time_s=0.1)) as chain:
        began = time.monotonic()
        last = await chain.wait_for(chain.head.number + 15)
        took = time.monotonic() - began
        assert 1.2 <= took < 20
        stamps = [chain.block(number).timestamp for number in range(last.number + 1)]
        assert stamps == sorted(stamps)
        # Blocks every 0.1 s share their seconds.
        assert stamps[-1] - stamps[1] <= took + 2
        assert stamps[-1] <= time.time()


async def test_funded_keys_have_money_at_block_1(tmp_path: Path) -> None:
    seed = bytes(32)
    async with LocalBftChain(
        "alpha", ChainOptions(block_time_s=None, seed=seed, funded=3, balance_wei=12345)
    ) as chain:
        for key in chain.funded_keys:
            assert await chain.rpc("eth_getBalance", key.address_text, "0x1") == hex(12345)
        await chain.fund(b"\x11" * 20, 77)
        assert await chain.rpc("eth_getBalance", "0x" + "11" * 20, "latest") == hex(77)
        assert await chain.rpc("eth_getBalance", "0x" + "11" * 20, "0x1") == "0x0"
        # The well-known development accounts have none here.
        assert (
            await chain.rpc("eth_getBalance", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "latest") == "0x0"
        )


async def test_network_of_both_kinds() -> None:
    async with Network("a=bft:4@0.05,b=bft:ibft2:7@manual", ChainOptions(funded=1)) as network:
        a, b = (network.chain_of(name, LocalBftChain) for name in "ab")
        assert (a.protocol, b.protocol, len(a.validators), len(b.validators)) == (
            BftKind.QBFT,
            BftKind.IBFT2,
            4,
            7,
        )
        assert len({a.chain_id, b.chain_id}) == len({a.genesis_hash, b.genesis_hash}) == 2
        assert not set(a.validators) & set(b.validators)
        assert a.funded_keys[0] != b.funded_keys[0]
        await a.wait_for(3)
        assert b.head.number == 1
        pids = [*a.pids, *b.pids]
    assert not any(map(start_mark, pids))


async def test_a_network_that_cannot_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with listen_on(0) as taken:
        network = Network("a=bft@manual,b=bft:ibft2@manual,c=bft@manual")
        network["b"].options = replace(network["b"].options, port=taken.getsockname()[1])
        with pytest.raises(ChainStartError, match="is taken"):
            await network.start()
    assert not running_pids()


async def test_a_network_ends_with_its_first_chain() -> None:
    async with Network("a=bft@manual,b=bft:ibft2@manual") as network:
        ended = asyncio.create_task(network.wait_ended())
        os.kill(network["b"].pids[0], signal.SIGKILL)
        with pytest.raises(ExecutionError):
            await asyncio.wait_for(ended, 5)


@pytest.mark.parametrize("block_time_s", [0.0, -1.0, 0.001, float("nan")])
def test_impossible_block_times_are_refused(block_time_s: float) -> None:
    with pytest.raises(SpecError, match="block time"):
        LocalBftChain("alpha", ChainOptions(block_time_s=block_time_s))
