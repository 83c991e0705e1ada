# SPDX-License-Identifier: MIT
"""The compiler that forge is given: what ships as it was asked for, test contracts plainly and so quickly."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from relayer.devnet.process import toolchain

# More variables at once than the plain code generator has room for; the IR pipeline moves some to memory.
DEEP = "".join(f"uint256 v{i} = x + {i}; " for i in range(20))
SUM = " + ".join(f"v{i}" for i in range(20))
BODY = f"function f(uint256 x) external pure returns (uint256) {{ {DEEP} return {SUM}; }}"
FLAT = "function f(uint256 x) external pure returns (uint256) { return x + 1; }"


def compile_sources(**contracts: str) -> dict[str, Any]:
    """Compile contracts named as their files; `/` in a path is written `_`, and the test file
    ends in `_t`.
    """
    sources = {
        f"{name.replace('_t', '.t').replace('_', '/')}.sol": f"contract {name} {{ {body} }}"
        for name, body in contracts.items()
    }
    asked = {
        "language": "Solidity",
        "sources": {
            name: {"content": f"// SPDX-License-Identifier: MIT\npragma solidity 0.8.37;\n{text}"}
            for name, text in sources.items()
        },
        "settings": {
            "viaIR": True,
            "optimizer": {"enabled": True, "runs": 200},
            "outputSelection": {name: {"*": ["evm.bytecode.object"]} for name in sources},
        },
    }
    done = subprocess.run(
        [toolchain.find_solc(), "--standard-json"],
        input=json.dumps(asked),
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_what_ships_is_compiled_as_asked_beside_tests_that_are_compiled_plainly() -> None:
    together = compile_sources(src_A=BODY, test_A_t=FLAT, test_support_B=BODY)
    assert "errors" not in together or not together["errors"]
    assert sorted(together["contracts"]) == ["src/A.sol", "test/A.t.sol", "test/support/B.sol"]
    assert sorted(together["sources"]) == ["src/A.sol", "test/A.t.sol", "test/support/B.sol"]
    # The same words, under a name that is not a test's.
    optimized = compile_sources(src_A=BODY, test_A=FLAT, test_support_B=BODY)
    code = {
        name: [made["evm"]["bytecode"]["object"] for made in found.values()]
        for outputs in (together, optimized)
        for name, found in outputs["contracts"].items()
    }
    assert len(code["test/A.t.sol"][0]) > len(code["test/A.sol"][0])
    for name in ("src/A.sol", "test/support/B.sol"):
        (before,) = together["contracts"][name].values()
        assert [before["evm"]["bytecode"]["object"]] == code[name]


def test_an_error_of_either_half_is_told() -> None:
    answer = compile_sources(src_A=FLAT, test_A_t=BODY)
    assert ["Stack too deep" in error["formattedMessage"] for error in answer["errors"]] == [True]
    answer = compile_sources(src_A="unheard of", test_A_t=FLAT)
    assert {error["sourceLocation"]["file"] for error in answer["errors"]} == {"src/A.sol"}
