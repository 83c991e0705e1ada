# SPDX-License-Identifier: MIT
"""The other side of the comparison: anvil with the real contracts in it, asked in batches."""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode

from light_clients.hashing import keccak256
from relayer.devnet.process import toolchain
from tests.support.solc import Compiled, compile_contract

GAS = 2**40
PRICE_WEI = 2 * 10**9
#: Calls in one eth_call. What one client call costs is far below a thousandth of what anvil lets through.
BATCH = 64


class Anvil:
    """A local chain that answers calls for any time that it is asked for."""

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
        # With a price it is a transaction that every fork knows.
        request = {
            "from": self.sender,
            "data": "0x" + data.hex(),
            "gas": hex(GAS),
            "gasPrice": hex(PRICE_WEI),
        }
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
def run_anvil(hardfork: str = "prague") -> Iterator[Anvil]:
    """Start anvil on a free port, and end it afterwards; `hardfork` is whose rules it runs."""
    port = _free_port()
    words = [
        toolchain.find_anvil(),
        "--port",
        port,
        "--hardfork",
        hardfork,
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


def compile_probe() -> Compiled:
    """The contract that tries calls for `probe`, for the oldest rules that ours run under."""
    return compile_contract(Path(__file__).with_name("Probe.sol"), "Probe", "istanbul")


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
