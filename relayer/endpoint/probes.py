# SPDX-License-Identifier: MIT
"""What a chain's rules allow, found by running it: init code in an `eth_call`,
which costs nothing and leaves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from relayer.chains.evm.node import Node
from relayer.errors import CallReverted

_ANSWER = (42).to_bytes(32)


@dataclass(frozen=True, slots=True)
class Probe:
    """A small program that leaves 42 in memory and returns it, where `rule` holds."""

    rule: str
    since: str
    program: bytes


PROBES = (
    # PUSH0 POP; memory[0] = 42; return memory[0..32]
    Probe("PUSH0", "Shanghai (EIP-3855)", bytes.fromhex("5f50602a60005260206000f3")),
    # TSTORE(0, 42); memory[0] = TLOAD(0); return memory[0..32]
    Probe("TSTORE and TLOAD", "Cancun (EIP-1153)", bytes.fromhex("602a60005d60005c60005260206000f3")),
    # memory[0] = 42; MCOPY(32, 0, 32); return memory[32..64]
    Probe("MCOPY", "Cancun (EIP-5656)", bytes.fromhex("602a6000526020600060205e60206020f3")),
)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Whether a rule holds; `reason` is the node's, where it doesn't."""

    probe: Probe
    holds: bool
    reason: str = ""


async def probe_rules(node: Node) -> tuple[ProbeResult, ...]:
    """Run every probe. Raises ChainUnavailable when the node doesn't answer."""
    return tuple([await _run(node, probe) for probe in PROBES])


async def _run(node: Node, probe: Probe) -> ProbeResult:
    try:
        answer = await node.call(None, probe.program)
    except CallReverted as error:
        return ProbeResult(probe, holds=False, reason=error.found)
    if answer != _ANSWER:
        return ProbeResult(probe, holds=False, reason=f"it returned 0x{answer[:36].hex()}")
    return ProbeResult(probe, holds=True)
