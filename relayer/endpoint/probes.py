# SPDX-License-Identifier: MIT
"""What EVM a chain has, and how large contracts and transactions may be: found out by trying it on a node.

Small programs run as init code in an `eth_call`, which costs nothing and leaves nothing behind. They decide
which build of our contracts is deployed (docs/adr/0017-two-builds.md). The size of a transaction is tried
with one that no chain can ever accept: it has no gas and no signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from light_clients.codec import rlp
from relayer.chains.base import Refusal
from relayer.chains.evm.node import Node
from relayer.chains.evm.refusals import classify
from relayer.contracts import Build
from relayer.errors import CallReverted, RpcRefused

#: What every program returns where the rule holds.
_ANSWER: Final = (42).to_bytes(32)
#: How nodes say that a contract is larger than their chain allows.
_CODE_TOO_LARGE: Final = re.compile(r"code.?size|code.{0,4}too.?large|contract.?size", re.IGNORECASE)
#: About what a signed transaction has besides its data, in bytes.
ENVELOPE_BYTES: Final = 120


@dataclass(frozen=True, slots=True)
class Probe:
    """A program that returns the number 42 where `rule` holds.

    Attributes:
        rule: the instructions that it runs.
        since: the fork that brought them.
        program: init code.
        build: which build needs the rule; those for newer rules need it too.
    """

    rule: str
    since: str
    program: bytes
    build: Build


#: The rules that the compiler's output uses.
PROBES: Final = (
    # CHAINID POP; memory[0] = 42; return memory[0..32]
    Probe("CHAINID", "Istanbul (EIP-1344)", bytes.fromhex("4650602a60005260206000f3"), Build.BASELINE),
    # PUSH0 POP; memory[0] = 42; return memory[0..32]
    Probe("PUSH0", "Shanghai (EIP-3855)", bytes.fromhex("5f50602a60005260206000f3"), Build.CANCUN),
    # TSTORE(0, 42); memory[0] = TLOAD(0); return memory[0..32]
    Probe(
        "TSTORE and TLOAD",
        "Cancun (EIP-1153)",
        bytes.fromhex("602a60005d60005c60005260206000f3"),
        Build.CANCUN,
    ),
    # memory[0] = 42; MCOPY(32, 0, 32); return memory[32..64]
    Probe("MCOPY", "Cancun (EIP-5656)", bytes.fromhex("602a6000526020600060205e60206020f3"), Build.CANCUN),
)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Whether a rule holds; where it doesn't, `reason` is what the node said."""

    probe: Probe
    holds: bool
    reason: str = ""


async def probe_rules(node: Node) -> tuple[ProbeResult, ...]:
    """Run every probe. Raises ChainUnavailable when the node doesn't answer."""
    return tuple([await _run(node, probe) for probe in PROBES])


def build_for(results: Iterable[ProbeResult]) -> Build | None:
    """Return the best build that runs where the probes had these results; None where none does."""
    order = list(Build)
    missing = {order.index(result.probe.build) for result in results if not result.holds}
    return next((build for build in order if all(order.index(build) > worse for worse in missing)), None)


async def refuses_code(node: Node, size: int) -> str:
    """Return what a node says against a contract of `size` bytes; empty where it says nothing.

    The program returns so many zeros as the code of a new contract. Whatever else may go wrong with it says
    nothing of contracts. Raises ChainUnavailable when the node doesn't answer.
    """
    # PUSH2 size, PUSH1 0, RETURN
    program = b"\x61" + size.to_bytes(2) + bytes.fromhex("6000f3")
    try:
        await node.call(None, program)
    except CallReverted as error:
        return error.found if _CODE_TOO_LARGE.search(error.found) else ""
    return ""


async def refuses_transaction(node: Node, chain_id: int, size: int) -> str:
    """Return what a node says against transactions of `size` bytes; empty where it says nothing.

    Nodes look at the size before they look at what is inside. Raises ChainUnavailable.
    """
    # nonce, gas price, gas, to, value, data, and EIP-155's v with r = s = 0, which is nobody's signature.
    raw = rlp.encode([0, 0, 0, b"", 0, bytes(size), 2 * chain_id + 35, 0, 0])
    try:
        await node.request("eth_sendRawTransaction", ["0x" + raw.hex()])
    except RpcRefused as error:
        return error.message if classify(error.code, error.message) is Refusal.TOO_LARGE else ""
    return ""


async def _run(node: Node, probe: Probe) -> ProbeResult:
    try:
        answer = await node.call(None, probe.program)
    except CallReverted as error:
        return ProbeResult(probe, holds=False, reason=error.found)
    if answer != _ANSWER:
        return ProbeResult(probe, holds=False, reason=f"it returned 0x{answer[:36].hex()}")
    return ProbeResult(probe, holds=True)
