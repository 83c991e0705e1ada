# SPDX-License-Identifier: MIT
"""Contracts of tests, compiled one by one with the compiler and the settings that build ours."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from relayer.devnet.process import toolchain

ROOT = Path(__file__).resolve().parents[2]
COMPILES_WITHIN_S = 120


@dataclass(frozen=True)
class Compiled:
    """A contract's code to be deployed with, and its code once deployed."""

    creation: bytes
    runtime: bytes


@functools.cache
def compile_contract(source: Path, name: str, evm_version: str = "cancun") -> Compiled:
    """A contract without immutables, whose sources import no package.

    Raises:
        RuntimeError: it does not compile.
    """
    files = {str(path.relative_to(ROOT)): {"content": path.read_text()} for path in _with_imports(source)}
    settings = {
        "viaIR": True,
        "optimizer": {"enabled": True, "runs": 1_000_000},
        "evmVersion": evm_version,
        "outputSelection": {"*": {name: ["evm.bytecode.object", "evm.deployedBytecode.object"]}},
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
    evm = answer["contracts"][str(source.relative_to(ROOT))][name]["evm"]
    return Compiled(
        bytes.fromhex(evm["bytecode"]["object"]), bytes.fromhex(evm["deployedBytecode"]["object"])
    )


def _with_imports(source: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = [source]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            imports = re.findall(r'^import [^"]*"(\.[^"]+)";', path.read_text(), re.MULTILINE)
            waiting += [(path.parent / name).resolve() for name in imports]
    return found
