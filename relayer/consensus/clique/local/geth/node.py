# SPDX-License-Identifier: MIT
"""One process of go-ethereum, which signs as one of a chain's signers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import aiohttp

from light_clients.ecdsa import BACKEND
from relayer.devnet.errors import ChainStartError, ExecutionError
from relayer.devnet.process.child_process import ChildProcess
from relayer.devnet.process.ports import free_port
from relayer.devnet.state.identities import Account
from relayer.keys import SCRYPT_N_DEVNET, KeyStore

#: Opens the keys of local signers, which guard nothing.
_PASSWORD: Final = "for local chains only"  # noqa: S105
_ANSWER_TIMEOUT_S: Final = 20.0
#: It writes its state to disk before it goes, so that it can go on from there.
_STOP_TIMEOUT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What the nodes of a chain have in common.

    Attributes:
        program: the absolute path of geth.
        genesis: the genesis file's content.
        guard: as in `ChainOptions`.
    """

    program: Path
    genesis: Mapping[str, Any]
    guard: bool | None


class GethNode:
    """A node in a folder of its own. Made by `prepare`; it runs between `start` and `stop`.

    Attributes:
        account: that it signs as.
        port: of JSON-RPC on 127.0.0.1, over HTTP and WebSocket.
        enode: where its peers find it.
    """

    def __init__(
        self, settings: NodeSettings, folder: Path, account: Account, port: int, peer_port: int
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._process: ChildProcess | None = None
        self._session: aiohttp.ClientSession | None = None
        self._ids = itertools.count(1)
        self.account = account
        self.port = port
        self._peer_port = peer_port
        self.enode = f"enode://{BACKEND.public_key(account.secret).hex()}@127.0.0.1:{peer_port}?discport=0"

    @classmethod
    async def prepare(
        cls, settings: NodeSettings, folder: Path, account: Account, peers: Sequence[Self], port: int = 0
    ) -> Self:
        """Write a node's folder: genesis block, keys, and its peers, which it seeks by itself.

        Raises ChainStartError.
        """
        avoid = {port}
        chosen = port or free_port(avoid)
        node = cls(settings, folder, account, chosen, free_port(avoid | {chosen}))
        (folder / "geth").mkdir(parents=True)
        (folder / "geth" / "nodekey").write_text(account.secret.hex(), encoding="ascii")
        (folder / "genesis.json").write_text(json.dumps(settings.genesis), encoding="ascii")
        (folder / "password").write_text(_PASSWORD, encoding="ascii")
        KeyStore(folder / "keystore").import_private_key(
            "signer", account.secret.hex(), _PASSWORD, scrypt_n=SCRYPT_N_DEVNET
        )
        static = json.dumps([peer.enode for peer in peers])
        (folder / "geth.toml").write_text(
            f'[Node.P2P]\nListenAddr = "127.0.0.1:{node._peer_port}"\nNoDiscovery = true\nStaticNodes = {static}\n',
            encoding="ascii",
        )
        words = [str(settings.program), "init", "--datadir", str(folder), "--state.scheme", "hash"]
        process = await ChildProcess.start(
            "geth init", [*words, str(folder / "genesis.json")], guard=settings.guard
        )
        try:
            said = await process.wait()
        finally:
            await process.stop()
        if process.exit_code != 0:
            raise ChainStartError(said, "a geth that can begin a Clique chain", "Is it version 1.13?")
        return node

    @property
    def http_url(self) -> str:
        """Where JSON-RPC is posted to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where WebSockets are opened."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Of the process; None while it is stopped."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start it and wait until it answers. Raises ChainStartError."""
        address = self.account.address_text
        options: dict[str, object] = {
            "--config": self._folder / "geth.toml",
            "--datadir": self._folder,
            "--syncmode": "full",
            "--state.scheme": "hash",
            "--nat": "none",
            "--http.addr": "127.0.0.1",
            "--http.port": self.port,
            "--http.api": "eth,net,web3,clique,miner",
            "--ws.addr": "127.0.0.1",
            "--ws.port": self.port,
            "--ws.api": "eth,net,web3",
            "--authrpc.port": 0,
            "--cache": 64,
            "--unlock": address,
            "--password": self._folder / "password",
            "--miner.etherbase": address,
            "--miner.gaslimit": int(self._settings.genesis["gasLimit"], 16),
            "--miner.gasprice": 1,
            "--verbosity": 3,
        }
        words = [str(self._settings.program), "--ipcdisable", "--http", "--ws", "--mine"]
        words += ["--allow-insecure-unlock", *(str(word) for option in options.items() for word in option)]
        process = await ChildProcess.start(
            "geth", words, is_ready=self._says_that_it_listens, guard=self._settings.guard
        )
        try:
            await process.wait_ready()
        except BaseException:
            await process.stop()
            raise
        self._process = process
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_TIMEOUT_S))

    async def stop(self) -> None:
        """Stop it; it can be started again. Safe to call twice."""
        process, self._process = self._process, None
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        if process is not None:
            await process.stop(_STOP_TIMEOUT_S)

    async def watch(self) -> None:
        """Wait until it is stopped. Raises ExecutionError when it ends by itself."""
        process = self._process
        if process is None:
            return
        said = await process.wait()
        if self._process is process:
            raise ExecutionError(said, "a geth that runs as long as its chain")

    async def call(self, method: str, *params: Any) -> Any:
        """Call a method of its JSON-RPC. Raises ExecutionError."""
        if self._session is None:
            raise ExecutionError(f"{method} of a geth that is stopped", "one that runs")
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            async with self._session.post(self.http_url, json=body) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ExecutionError(f"{method} of geth failed: {error}", "an answer") from error
        if "error" in answer:
            raise ExecutionError(f"geth refused {method}: {answer['error']}", "an answer")
        return answer["result"]

    def _says_that_it_listens(self, line: str) -> bool:
        return "HTTP server started" in line and f"127.0.0.1:{self.port} auth=false" in line
