# SPDX-License-Identifier: MIT
"""EIP-2537: every case of the EIP against the precompiles that our contracts call, in anvil under Prague's
rules.

A few bytes of code stand before the precompile: they hand the case's input on with a known amount of gas, and
return whether it succeeded, what it took, and its output.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from relayer.devnet.process.toolchain import ToolNotFoundError, find_anvil
from tests.conformance.case import Case, cases_in, expect, guarded, read_json, unhex
from tests.differential.evm import Anvil, run_anvil

FOLDER = "eip2537"
NETWORK = True

#: Multiplications are multi-scalar multiplications of one pair.
PRECOMPILES = {
    "add_G1": 0x0B,
    "mul_G1": 0x0C,
    "msm_G1": 0x0C,
    "add_G2": 0x0D,
    "mul_G2": 0x0E,
    "msm_G2": 0x0E,
    "pairing_check": 0x0F,
    "map_fp_to_G1": 0x10,
    "map_fp2_to_G2": 0x11,
}
#: Far above what any case takes; a precompile that fails keeps all of it.
GIVEN_GAS = 10_000_000
#: Of the instructions between the two GAS, the warm STATICCALL's 100 among them.
OVERHEAD = 116


def cases(folder: Path) -> Iterator[Case]:
    paths = sorted(folder.rglob("*.json"))
    try:
        find_anvil()
    except ToolNotFoundError:
        for path in paths:
            yield Case(path.stem, skipped="anvil is not installed: run `make tools`", path=path)
        return
    with run_anvil() as anvil:
        for path in paths:
            yield from cases_in(path, partial(file_cases, anvil))


def file_cases(anvil: Anvil, path: Path) -> Iterator[Case]:
    precompile = PRECOMPILES.get(path.stem.removeprefix("fail-").removesuffix("_bls"))
    if precompile is None:
        yield Case(path.stem, skipped="a file of a kind that nobody reads")
        return
    for number, case in enumerate(read_json(path)):
        yield from guarded(f"{path.stem}[{number}]", partial(entry_cases, anvil, precompile, path.stem, case))


def entry_cases(anvil: Anvil, precompile: int, stem: str, case: dict[str, Any]) -> Iterator[Case]:
    yield Case(f"{stem}/{case['Name']}", partial(check, anvil, precompile, case))


def check(anvil: Anvil, precompile: int, case: dict[str, Any]) -> None:
    succeeded, gas, output = call(anvil, precompile, unhex(case["Input"]))
    if "ExpectedError" in case:
        expect("success", succeeded, False)
        expect("output", output, b"")
        expect("gas, all that was given", gas, GIVEN_GAS)
    else:
        expect("success", succeeded, True)
        expect("output", output, unhex(case["Expected"]))
        expect("gas", gas, case["Gas"])


def call(anvil: Anvil, precompile: int, data: bytes) -> tuple[bool, int, bytes]:
    """Call a precompile: whether it succeeded, the gas that it took, its output."""
    place = "0x" + "c0de" * 10
    request = {"to": place, "data": "0x" + data.hex(), "gas": hex(4 * GIVEN_GAS)}
    code = {place: {"code": "0x" + probe(precompile).hex()}}
    answer = bytes.fromhex(anvil.rpc("eth_call", request, "latest", code)[2:])
    return bool(answer[31]), int.from_bytes(answer[32:64]) - OVERHEAD, answer[64:]


def probe(precompile: int) -> bytes:
    """The code: what it returns is success ‖ gas, a word each, and the precompile's output."""
    return bytes.fromhex(
        "365f5f37"  # CALLDATACOPY(0, 0, CALLDATASIZE)
        "5a"  # GAS
        "5f5f365f"  # no place for the output, the input from 0
        f"60{precompile:02x}62{GIVEN_GAS:06x}fa"  # STATICCALL(GIVEN_GAS, precompile, ...)
        "5a"  # GAS
        "905f52"  # MSTORE(0, success)
        "9003602052"  # MSTORE(32, gas before - gas after)
        "3d5f60403e"  # RETURNDATACOPY(64, 0, RETURNDATASIZE)
        "3d6040015ff3"  # RETURN(0, 64 + RETURNDATASIZE)
    )
