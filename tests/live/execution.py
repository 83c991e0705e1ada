# SPDX-License-Identifier: MIT
"""Real execution clients over the Engine API: geth, and EthereumJS where Go cannot install it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp

from tests.live.processes import Program, ProgramError, free_ports, make_folder
from tools.live.install import GETH, LIVE, can_install_geth, node20

Client = Literal["geth", "ethereumjs"]

CHAIN_ID: Final = 90_017
_BALANCE_WEI = 10**24
_START_S = 60.0
_ZERO = "0x" + "00" * 32
# EIP-7002 and EIP-7251: a block is valid only where there is code at these two places, and what they return
# is the block's requests. One STOP returns none, and this chain's validators never ask for anything.
_REQUEST_CONTRACTS = (
    "0x00000961Ef480Eb55e80D19ad83579A64c007002",
    "0x0000BBdDc7CE488642fb579F8B00f3a590007251",
)
_BLOBS = {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716}


@dataclass(frozen=True, slots=True)
class Execution:
    """A running execution client. `secret` is the file with the Engine API's shared secret."""

    client: Client
    version: str
    program: Program
    http_url: str
    ws_url: str
    engine_port: int
    secret: Path
    genesis_hash: bytes
    osaka_time: int | None


def default_client() -> Client:
    """geth where it is here or Go can install it."""
    return "geth" if can_install_geth() else "ethereumjs"


def genesis(
    funded: list[bytes], *, forks: Literal["shanghai", "prague"], osaka_time: int | None = None
) -> dict[str, Any]:
    """A genesis file after the merge, with accounts (20 bytes each) that have money."""
    config: dict[str, Any] = {
        "chainId": CHAIN_ID,
        "terminalTotalDifficulty": 0,
        "terminalTotalDifficultyPassed": True,
        "shanghaiTime": 0,
    }
    names = "homestead eip150 eip155 eip158 byzantium constantinople petersburg istanbul berlin london mergeNetsplit"
    config |= {f"{name}Block": 0 for name in names.split()}
    alloc: dict[str, dict[str, str]] = {"0x" + item.hex(): {"balance": hex(_BALANCE_WEI)} for item in funded}
    if forks == "prague":
        config |= {
            "cancunTime": 0,
            "pragueTime": 0,
            "depositContractAddress": "0x" + "00" * 19 + "d0",
            "blobSchedule": {"cancun": _BLOBS, "prague": _BLOBS, "osaka": _BLOBS},
        }
        alloc |= {
            address: {"balance": "0x0", "nonce": "0x1", "code": "0x00"} for address in _REQUEST_CONTRACTS
        }
        if osaka_time is not None:
            config["osakaTime"] = osaka_time
    return {
        "config": config,
        "alloc": alloc,
        "difficulty": "0x0",
        "gasLimit": hex(30_000_000),
        "nonce": "0x0",
        "timestamp": "0x0",
        "extraData": "0x",
        "mixHash": _ZERO,
        "coinbase": "0x" + "00" * 20,
        "baseFeePerGas": hex(10**9),
    }


@contextlib.asynccontextmanager
async def run_execution(client: Client, folder: Path, given: Mapping[str, Any]) -> AsyncIterator[Execution]:
    """Start a client with a genesis file in a folder of its own.

    Raises:
        ProgramError: it does not start.
    """
    secret = _write_files(folder, given)
    http, ws, engine, *spare = free_ports(5)
    if client == "geth":
        program = await _geth(folder, http, ws, engine)
    else:
        program = _ethereumjs(folder, http, ws, engine, *spare)
    async with program:
        url = f"http://127.0.0.1:{http}"
        block = await _await_genesis(program, url)
        version = str(await ask(url, "web3_clientVersion"))
        yield Execution(
            client,
            version,
            program,
            url,
            f"ws://127.0.0.1:{ws}",
            engine,
            secret,
            bytes.fromhex(block["hash"][2:]),
            given["config"].get("osakaTime"),
        )


async def ask(url: str, method: str, *params: object) -> Any:
    """One JSON-RPC call; raises ProgramError for an error."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.post(url, json=body) as answer:
        said = await answer.json()
    if "error" in said:
        raise ProgramError(f"{method}: {said['error']}")
    return said["result"]


def _write_files(folder: Path, given: Mapping[str, Any]) -> Path:
    make_folder(folder)
    (folder / "genesis.json").write_text(json.dumps(given), encoding="utf-8")
    secret = folder / "jwt.hex"
    secret.write_text(secrets.token_hex(32), encoding="ascii")
    return secret


async def _geth(folder: Path, http: int, ws: int, engine: int) -> Program:
    # No flag turns the peer-to-peer listener off; the configuration file does.
    (folder / "geth.toml").write_text(
        '[Node.P2P]\nListenAddr = ""\nNoDiscovery = true\nMaxPeers = 0\n', encoding="ascii"
    )
    data = folder / "data"
    begin = Program("geth-init", [GETH, "init", "--datadir", data, folder / "genesis.json"], folder)
    async with begin, asyncio.timeout(_START_S):
        code = await begin.wait()
    if code != 0:
        raise ProgramError(f"geth init ended with {code}:\n{begin.log_end()}")
    options = f"""--http --http.port {http} --http.api eth,net,web3 --ws --ws.port {ws} --ws.api eth,net,web3
        --authrpc.port {engine} --nodiscover --maxpeers 0 --nat none --ipcdisable --syncmode full --gcmode archive
        --cache 128 --networkid {CHAIN_ID}"""
    words: list[str | Path] = [
        GETH,
        "--config",
        folder / "geth.toml",
        "--datadir",
        data,
        "--authrpc.jwtsecret",
        folder / "jwt.hex",
    ]
    return Program("geth", [*words, *options.split()], folder, {"GOMEMLIMIT": "768MiB", "GOMAXPROCS": "2"})


def _ethereumjs(folder: Path, http: int, ws: int, engine: int, ws_engine: int, peers: int) -> Program:
    home = LIVE / "ethereumjs"
    words: list[str | Path] = [
        node20(),
        "--max-old-space-size=1024",
        "--require",
        home / "loopback.cjs",
        home / "node_modules/@ethereumjs/client/dist/esm/bin/cli.js",
        "--dataDir",
        folder / "data",
        "--gethGenesis",
        folder / "genesis.json",
        "--jwtSecret",
        folder / "jwt.hex",
    ]
    options = f"""--rpc --rpcAddr 127.0.0.1 --rpcPort {http} --ws --wsAddr 127.0.0.1 --wsPort {ws}
        --rpcEngine --rpcEngineAddr 127.0.0.1 --rpcEnginePort {engine} --wsEnginePort {ws_engine} --port {peers}
        --isSingleNode --bootnodes --discDns=false --discV4=false --logFile false --saveReceipts"""
    return Program("ethereumjs", [*words, *options.split()], folder)


async def _await_genesis(program: Program, url: str) -> dict[str, Any]:
    async with asyncio.timeout(_START_S):
        while True:
            program.check()
            with contextlib.suppress(aiohttp.ClientError, ProgramError):
                block: dict[str, Any] = await ask(url, "eth_getBlockByNumber", "0x0", False)
                return block
            await asyncio.sleep(0.2)
