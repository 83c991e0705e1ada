# SPDX-License-Identifier: MIT
"""Contracts of tests, compiled one by one with the compiler and the settings that build ours."""

from __future__ import annotations

import functools
import json
import posixpath
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relayer.devnet.process import toolchain

ROOT = Path(__file__).resolve().parents[2]
COMPILES_WITHIN_S = 120
FROM_CANCUN_ON = ("cancun", "prague", "osaka")
#: Where the sources of a package lie, by the beginning of its import paths.
PACKAGES = {
    "@postroad/contracts/": ROOT / "solidity" / "src",
    "@postroad/evm/": ROOT / "solidity" / "src" / "evm",
    "@openzeppelin/contracts/": ROOT / "solidity" / "node_modules" / "@openzeppelin" / "contracts",
}


@dataclass(frozen=True)
class Compiled:
    """A contract's code to be deployed with, and its code once deployed."""

    creation: bytes
    runtime: bytes


@functools.cache
def compile_contract(source: Path, name: str, evm_version: str = "cancun") -> Compiled:
    """A contract without immutables.

    Raises:
        RuntimeError: it does not compile.
    """
    evm = _compile(source, name, evm_version)["evm"]
    return Compiled(
        bytes.fromhex(evm["bytecode"]["object"]), bytes.fromhex(evm["deployedBytecode"]["object"])
    )


def compile_artifact(source: Path, name: str) -> bytes:
    """A contract as relayer.contracts loads it: the text of `<name>.json`.

    Raises:
        RuntimeError: it does not compile.
    """
    found = _compile(source, name, "cancun")
    deployed = found["evm"]["deployedBytecode"]
    places = [place for places in deployed["immutableReferences"].values() for place in places]
    artifact = {
        "contractName": name,
        "abi": found["abi"],
        "bytecode": "0x" + found["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed["object"],
        "immutableReferences": places,
    }
    return json.dumps(artifact).encode()


def _compile(source: Path, name: str, evm_version: str) -> Any:
    files = {unit: {"content": path.read_text()} for unit, path in _with_imports(source, evm_version).items()}
    settings = {
        "viaIR": True,
        "optimizer": {"enabled": True, "runs": 1_000_000},
        "evmVersion": evm_version,
        "outputSelection": {
            "*": {
                name: [
                    "abi",
                    "evm.bytecode.object",
                    "evm.deployedBytecode.object",
                    "evm.deployedBytecode.immutableReferences",
                ]
            }
        },
    }
    done = subprocess.run(
        [str(toolchain.find_solc()), "--standard-json", "-"],
        input=json.dumps({"language": "Solidity", "sources": files, "settings": settings}),
        capture_output=True,
        text=True,
        check=True,
        timeout=COMPILES_WITHIN_S,
    )
    answer = json.loads(done.stdout)
    errors = [error["formattedMessage"] for error in answer.get("errors", []) if error["severity"] == "error"]
    if errors:
        raise RuntimeError("\n".join(errors))
    return answer["contracts"][str(source.relative_to(ROOT))][name]


def _with_imports(source: Path, evm_version: str) -> dict[str, Path]:
    """Every source that a contract needs, by the name that the compiler knows it by."""
    packages = dict(PACKAGES)
    packages["@postroad/evm/"] /= "cancun" if evm_version in FROM_CANCUN_ON else "baseline"
    found: dict[str, Path] = {}
    waiting = {str(source.relative_to(ROOT)): source}
    while waiting:
        unit, path = waiting.popitem()
        if unit in found:
            continue
        found[unit] = path
        for name in re.findall(r'^import [^"]*"([^"]+)";', path.read_text(), re.MULTILINE):
            if name.startswith("."):
                waiting[posixpath.normpath(f"{posixpath.dirname(unit)}/{name}")] = (
                    path.parent / name
                ).resolve()
                continue
            package = next(package for package in packages if name.startswith(package))
            waiting[name] = packages[package] / name.removeprefix(package)
    return found
