# SPDX-License-Identifier: MIT
"""The other side of the comparison: anvil with the real contracts in it, asked in batches."""

from __future__ import annotations

import functools
import http.client
import json
import random
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode

from light_clients.hashing import keccak256
from relayer.devnet import toolchain

ROOT = Path(__file__).resolve().parents[2]
GAS = 2**40
#: Calls in one eth_call. What one client call costs is far below a thousandth of what anvil lets through.
BATCH = 64


class Anvil:
    """A local chain under Prague's rules that answers calls for any time that it is asked for."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.sender = ""

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def rpc(self, method: str, *params: object) -> Any:
        """One JSON-RPC call's result.

        Raises:
            RuntimeError: anvil answers with an error.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        self._connection.request("POST", "/", body, {"content-type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def call(self, to: bytes, data: bytes, now: int | None = None) -> bytes:
        """What a call returns at a time (in seconds), by default the latest block's."""
        overrides = [] if now is None else [{}, {"time": hex(now)}]
        request = {"to": "0x" + to.hex(), "data": "0x" + data.hex(), "gas": hex(GAS)}
        return bytes.fromhex(self.rpc("eth_call", request, "latest", *overrides)[2:])

    def set_code(self, place: bytes, code: bytes) -> None:
        """Put other code in a contract's place; its storage stays."""
        self.rpc("anvil_setCode", "0x" + place.hex(), "0x" + code.hex())

    def code_at(self, place: bytes) -> bytes:
        """A contract's code, its immutables in it."""
        return bytes.fromhex(self.rpc("eth_getCode", "0x" + place.hex(), "latest")[2:])

    def transact(self, to: bytes | None, data: bytes, now: int) -> bytes:
        """Send a transaction at a time. Returns the address of the contract it made, if any.

        Raises:
            RuntimeError: it failed.
        """
        return bytes.fromhex((self.send(to, data, now)["contractAddress"] or "0x")[2:])

    def send(self, to: bytes | None, data: bytes, now: int) -> Any:
        """Send a transaction at a time. Returns its receipt.

        Raises:
            RuntimeError: it failed.
        """
        self.rpc("anvil_setTime", now)
        self.rpc("evm_setNextBlockTimestamp", now)
        request = {"from": self.sender, "data": "0x" + data.hex(), "gas": hex(GAS)}
        if to is not None:
            request["to"] = "0x" + to.hex()
        transaction = self.rpc("eth_sendTransaction", request)
        for _ in range(200):
            receipt = self.rpc("eth_getTransactionReceipt", transaction)
            if receipt is not None:
                break
            time.sleep(0.01)
        else:
            raise RuntimeError(f"{transaction} was not mined")
        if receipt["status"] != "0x1":
            raise RuntimeError(f"{transaction} failed: {receipt}")
        return receipt


@contextmanager
def run_anvil() -> Iterator[Anvil]:
    """Start anvil on a free port, and end it afterwards."""
    port = _free_port()
    words = [
        toolchain.find_anvil(),
        "--port",
        port,
        "--hardfork",
        "prague",
        "--gas-limit",
        GAS,
        "--timestamp",
        1,
    ]
    words += ["--silent", "--no-request-size-limit", "--accounts", 1]
    with subprocess.Popen(
        list(map(str, words)), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as process:
        try:
            anvil = _connect(process, port)
            try:
                yield anvil
            finally:
                anvil.close()
        finally:
            process.terminate()


def _connect(process: subprocess.Popen[bytes], port: int) -> Anvil:
    for _ in range(300):
        if process.poll() is not None:
            break
        anvil = Anvil(port)
        try:
            anvil.sender = anvil.rpc("eth_accounts")[0]
        except OSError:
            anvil.close()
            time.sleep(0.05)
        else:
            return anvil
    raise RuntimeError(f"anvil does not answer on port {port} (exit code {process.poll()})")


def _free_port() -> int:
    # Below the range that the system hands out by itself, so that nobody is given it in between.
    for _ in range(100):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("found no free port in 20000..32000")


@functools.cache
def compile_helpers() -> dict[str, tuple[bytes, bytes]]:
    """Creation code and runtime code of Probe and CompactProofHarness, from the compiler that builds the contracts."""
    names = {
        "Probe": ROOT / "tests/differential/Probe.sol",
        "CompactProofHarness": ROOT / "solidity/test/support/CompactProofHarness.sol",
    }
    settings = {
        "viaIR": True,
        "optimizer": {"enabled": True, "runs": 1_000_000},
        "evmVersion": "cancun",
        "outputSelection": {"*": {"*": ["evm.bytecode.object", "evm.deployedBytecode.object"]}},
    }
    request = {
        "language": "Solidity",
        "sources": {
            str(path.relative_to(ROOT)): {"content": path.read_text()} for path in _sources(names.values())
        },
        "settings": settings,
    }
    words = [str(toolchain.find_solc()), "--standard-json", "-"]
    done = subprocess.run(
        words, input=json.dumps(request), capture_output=True, text=True, check=True, timeout=120
    )
    answer = json.loads(done.stdout)
    errors = [error["formattedMessage"] for error in answer.get("errors", []) if error["severity"] == "error"]
    if errors:
        raise RuntimeError("\n".join(errors))
    compiled = {
        name: answer["contracts"][str(path.relative_to(ROOT))][name]["evm"] for name, path in names.items()
    }
    return {
        name: (bytes.fromhex(evm["bytecode"]["object"]), bytes.fromhex(evm["deployedBytecode"]["object"]))
        for name, evm in compiled.items()
    }


def _sources(roots: Iterable[Path]) -> set[Path]:
    """The files and all that they import; none of them imports a package."""
    found: set[Path] = set()
    waiting = [root.resolve() for root in roots]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            imports = re.findall(r'^import [^"]*"(\.[^"]+)";', path.read_text(), re.MULTILINE)
            waiting += [(path.parent / name).resolve() for name in imports]
    return found


@dataclass(frozen=True)
class Outcome:
    """What a contract did with a call, and its trusted state and anchor afterwards, as returned words."""

    accepted: bool
    result: bytes
    trusted: bytes
    anchored: bytes


def probe(
    anvil: Anvil, place: bytes, implementation: bytes, calls: Sequence[bytes], now: int
) -> list[Outcome]:
    """Try calls one by one, each from the same state."""
    outcomes: list[Outcome] = []
    for start in range(0, len(calls), BATCH):
        some = list(calls[start : start + BATCH])
        data = selector("run(address,bytes[])") + encode(["address", "bytes[]"], [implementation, some])
        (found,) = decode(["(bool,bytes,bytes,bytes)[]"], anvil.call(place, data, now))
        outcomes += [Outcome(*outcome) for outcome in found]
    return outcomes


def selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]
