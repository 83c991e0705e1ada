# SPDX-License-Identifier: MIT
"""`python -m tests.live.clique`: a network of go-ethereum 1.13.15, the last version that seals Clique, joined
with a local chain; messages both ways while signers are voted in and out, one is stopped, and the node that
the relayer asks is killed.

POSTROAD_GETH names the program. Without it, it is built by Go, where that is installed. Exits with 1 when
anything was not as it should be.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from light_clients.ecdsa import BACKEND, address_of
from relayer.contracts import Build
from relayer.devnet.network.network import Network
from tests.live.execution import ask
from tests.live.processes import Program, ProgramError, free_ports, make_folder
from tests.support.daemon_process import DaemonProcess
from tests.support.relaynet import (
    PASSWORD,
    PASSWORD_VARIABLE,
    ChainAccess,
    RelayNet,
    access_of,
    join_network,
)

MODULE = "github.com/ethereum/go-ethereum/cmd/geth@v1.13.15"
CHAIN_ID = 0x5000_1338
EPOCH, PERIOD_S = 30_000, 1
#: All of it, starts and ends included.
RUN_S = 1500.0
_BUILD_S = 1200.0
_START_S = 120.0
_CHANGE_S = 180.0
_FORKS = (
    "homestead eip150 eip155 eip158 byzantium constantinople petersburg istanbul muirGlacier berlin london"
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class SignerNode:
    """Where a node is: its key as a signer and as a peer (32 bytes), folder and ports."""

    secret: bytes
    folder: Path
    peers: int
    http: int
    ws: int

    @property
    def address(self) -> bytes:
        return address_of(self.secret)

    @property
    def enode(self) -> str:
        return f"enode://{BACKEND.public_key(self.secret).hex()}@127.0.0.1:{self.peers}?discport=0"


class CliqueNetwork:
    """Nodes that run, as an async context manager; the last one is no signer at the beginning."""

    def __init__(self, binary: Path, folder: Path, funded: list[bytes], signers: int = 3) -> None:
        ports = free_ports(3 * (signers + 1))
        self.nodes = [
            SignerNode(secrets.token_bytes(32), folder / f"node{index}", *ports[3 * index : 3 * index + 3])
            for index in range(signers + 1)
        ]
        self._initial = sorted(node.address for node in self.nodes[:signers])
        self._binary, self._folder, self._funded = binary, folder, funded
        self._programs: dict[int, Program] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        (self._folder / "genesis.json").write_text(json.dumps(self._genesis()), encoding="ascii")
        (self._folder / "password").write_text("for local chains only", encoding="ascii")
        try:
            for index in range(len(self.nodes)):
                await self._prepare(self.nodes[index])
                await self.start(index)
            await self.await_height(3)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start(self, index: int) -> None:
        node = self.nodes[index]
        options = f"""--datadir {node.folder} --syncmode full --state.scheme hash --ipcdisable --nat none
            --http --http.addr 127.0.0.1 --http.port {node.http} --http.api eth,net,web3,clique
            --ws --ws.addr 127.0.0.1 --ws.port {node.ws} --ws.api eth,net,web3 --authrpc.port 0 --cache 64
            --unlock 0x{node.address.hex()} --password {self._folder}/password --allow-insecure-unlock
            --mine --miner.etherbase 0x{node.address.hex()} --miner.gasprice 1 --verbosity 3"""
        words: list[str | Path] = [self._binary, "--config", node.folder / "geth.toml", *options.split()]
        program = Program(node.folder.name, words, node.folder)
        self._programs[index] = await self._stack.enter_async_context(program)
        async with asyncio.timeout(_START_S):
            while True:
                program.check()
                try:
                    await self.ask(index, "eth_blockNumber")
                except (OSError, ProgramError, TimeoutError):
                    await asyncio.sleep(0.3)
                else:
                    return

    async def stop(self, index: int) -> None:
        await self._programs.pop(index).stop()

    async def ask(self, index: int, method: str, *params: object) -> Any:
        return await ask(f"http://127.0.0.1:{self.nodes[index].http}", method, *params)

    async def height(self) -> int:
        index = next(iter(self._programs))
        return int(await self.ask(index, "eth_blockNumber"), 16)

    async def await_height(self, height: int) -> None:
        async with asyncio.timeout(_CHANGE_S):
            while await self.height() < height:  # noqa: ASYNC110  another process decides
                await asyncio.sleep(0.3)

    async def signers(self) -> list[bytes]:
        listed = await self.ask(next(iter(self._programs)), "clique_getSigners", "latest")
        return [bytes.fromhex(address[2:]) for address in listed]

    async def vote(self, index: int, *, add: bool) -> None:
        """Let all running signers vote a node in or out, until the set has changed."""
        address = self.nodes[index].address
        members = await self.signers()
        for voter in self._programs:
            if self.nodes[voter].address in members:
                await self.ask(voter, "clique_propose", "0x" + address.hex(), add)
        async with asyncio.timeout(_CHANGE_S):
            while (address in await self.signers()) != add:  # noqa: ASYNC110  another process decides
                await asyncio.sleep(0.3)
        for voter in self._programs:
            await self.ask(voter, "clique_discard", "0x" + address.hex())

    async def out_of_turn(self, last: int) -> int:
        """How many of the blocks from 1 on were sealed out of turn."""
        index = next(iter(self._programs))
        blocks = [await self.ask(index, "eth_getBlockByNumber", hex(at), False) for at in range(1, last + 1)]
        return sum(block["difficulty"] == "0x1" for block in blocks)

    def log_ends(self) -> str:
        return "\n".join(f"--- {program.name}\n{program.log_end(6)}" for program in self._programs.values())

    def _genesis(self) -> dict[str, Any]:
        return {
            "config": {
                "chainId": CHAIN_ID,
                **{f"{name}Block": 0 for name in _FORKS.split()},
                "clique": {"period": PERIOD_S, "epoch": EPOCH},
            },
            "difficulty": "0x1",
            "gasLimit": hex(30_000_000),
            "timestamp": hex(int(time.time()) - 60),
            "extraData": "0x" + (bytes(32) + b"".join(self._initial) + bytes(65)).hex(),
            "alloc": {address_of(secret).hex(): {"balance": hex(10**24)} for secret in self._funded},
        }

    async def _prepare(self, node: SignerNode) -> None:
        make_folder(node.folder)
        (node.folder / "geth").mkdir()
        (node.folder / "geth/nodekey").write_text(node.secret.hex(), encoding="ascii")
        peers = json.dumps([other.enode for other in self.nodes if other is not node])
        (node.folder / "geth.toml").write_text(
            f'[Node.P2P]\nListenAddr = "127.0.0.1:{node.peers}"\nNoDiscovery = true\nStaticNodes = {peers}\n',
            encoding="ascii",
        )
        data: list[str | Path] = ["--datadir", node.folder]
        password = self._folder / "password"
        key = node.folder / "geth/nodekey"
        await self._do(node, "init", ["init", *data, "--state.scheme", "hash", self._folder / "genesis.json"])
        await self._do(
            node, "import", ["account", "import", *data, "--lightkdf", "--password", password, key]
        )

    async def _do(self, node: SignerNode, name: str, words: list[str | Path]) -> None:
        async with (
            Program(name, [self._binary, *words], node.folder) as program,
            asyncio.timeout(_START_S),
        ):
            if await program.wait() != 0:
                raise ProgramError(f"geth {name} failed:\n{program.log_end()}")


async def run(binary: Path, folder: Path, say: Say) -> None:
    """The whole run. Raises AssertionError, ProgramError, TimeoutError."""
    os.environ[PASSWORD_VARIABLE] = PASSWORD
    funded = [secrets.token_bytes(32) for _ in range(3)]
    async with (
        asyncio.timeout(RUN_S),
        CliqueNetwork(binary, folder, funded) as nodes,
        Network("port=bft:4@1") as network,
    ):
        say(f"{len(nodes.nodes)} nodes of {await nodes.ask(0, 'web3_clientVersion')}")
        first = nodes.nodes[0]
        court = ChainAccess(
            "court",
            {"kind": "clique", "epoch": EPOCH},
            CHAIN_ID,
            f"http://127.0.0.1:{first.http}",
            f"ws://127.0.0.1:{first.ws}",
            tuple(funded),
            Build.BASELINE,
        )
        urls = ", ".join(f'"http://127.0.0.1:{node.http}"' for node in nodes.nodes[:3])
        net = await join_network(
            folder, [court, access_of(network["port"])], extra='[metrics]\nlisten = ""\n'
        )
        text = net.config_path.read_text()
        net.config_path.write_text(text.replace(f'rpc = ["{court.http_url}"]', f"rpc = [{urls}]"))
        say("deployed and joined, the chain at London's rules by the baseline build")
        daemon = DaemonProcess(net.config_path)
        await daemon.start()
        try:
            await _messages(nodes, net, say)
            await net.await_settled("court", "port", 25, timeout_s=240)
            assert await daemon.stop() == 0
        except BaseException:
            say(f"{daemon.log_end(30)}\n{nodes.log_ends()}")
            raise
        finally:
            if daemon.is_running():
                await daemon.kill()
        receipts = await net.receipts_by_id("port")
        assert len(receipts) == 25, f"{len(receipts)} of 25 arrived"
        assert set(receipts.values()) == {1}, "a message arrived twice"
        height = await nodes.height()
        say(
            f"25 messages either way, once each; {await nodes.out_of_turn(height)} of {height} blocks out of turn"
        )
        await net.close()


async def _messages(nodes: CliqueNetwork, net: RelayNet, say: Say) -> None:
    sent = 0

    async def both_ways(what: str) -> None:
        nonlocal sent
        sent += 5
        began = time.monotonic()
        for source, destination in (("court", "port"), ("port", "court")):
            await net.send_counted(source, destination, 5, 100 * sent)
        for source, destination in (("court", "port"), ("port", "court")):
            await net.await_delivered(source, destination, sent, timeout_s=240)
        say(f"{what}: 5 messages either way, both delivered after {time.monotonic() - began:.0f} s")

    await both_ways("three signers")
    await nodes.vote(3, add=True)
    assert len(await nodes.signers()) == 4
    await both_ways(f"a fourth voted in by block {await nodes.height()}")
    await nodes.vote(1, add=False)
    await both_ways(f"one voted out by block {await nodes.height()}")
    await nodes.stop(2)
    await both_ways("one of three signers stopped")
    await nodes.start(2)
    # The test itself asks the first node: it is away for some blocks, in which the relayer asks the others.
    await nodes.stop(0)
    await nodes.await_height(await nodes.height() + 8)
    await nodes.start(0)
    await both_ways("the first provider stopped and back")


async def build(folder: Path, say: Say) -> Path:
    """Build go-ethereum by Go. Raises ProgramError where there is none, or it fails."""
    if shutil.which("go") is None:
        raise ProgramError(
            "POSTROAD_GETH names no program, and there is no Go to build one (go-ethereum 1.13.15)"
        )
    say(f"building {MODULE}, which takes minutes the first time")
    # Its linker names are older than what Go 1.23 and newer allow.
    words: list[str | Path] = ["go", "install", "-ldflags=-checklinkname=0", MODULE]
    async with Program("go-install", words, folder, {"GOBIN": str(folder)}) as program:
        async with asyncio.timeout(_BUILD_S):
            code = await program.wait()
        if code != 0:
            raise ProgramError(f"go install ended with {code}:\n{program.log_end()}")
    return folder / "geth"


def main() -> int:
    """Run; the exit code."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[clique {time.monotonic() - began:5.0f} s] {text}", flush=True)

    async def whole(folder: Path) -> None:
        named = os.environ.get("POSTROAD_GETH")
        await run(Path(named) if named else await build(folder, say), folder, say)

    with tempfile.TemporaryDirectory(prefix="postroad-live-", ignore_cleanup_errors=True) as name:
        try:
            asyncio.run(whole(Path(name)))
        except (AssertionError, ProgramError, TimeoutError, OSError) as error:
            say(f"FAILED: {type(error).__name__}: {error}")
            print("live-clique: 0 passed, 1 failed")
            return 1
    print("live-clique: 1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
