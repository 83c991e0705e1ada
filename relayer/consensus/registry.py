# SPDX-License-Identifier: MIT
"""The kinds of consensus that endpoints can be joined over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relayer.chains.evm.contract_reader import ContractReader
from relayer.consensus.bft.endpoint import Bft
from relayer.consensus.ethereum.endpoint import Ethereum
from relayer.consensus.kind import ClientView, Conflict, Consensus, OpenProver, Trust
from relayer.contracts import load

__all__ = [
    "CONSENSUS",
    "ClientView",
    "Conflict",
    "Consensus",
    "OpenProver",
    "Trust",
    "detect_consensus",
    "view_client",
]

CONSENSUS: Mapping[str, Consensus] = {"qbft": Bft("qbft"), "ibft2": Bft("ibft2"), "ethereum": Ethereum()}
"""By the name that a chain's configuration has."""


async def view_client(caller: ContractReader, address: bytes) -> ClientView | None:
    """Read a light client, of whatever consensus; None when there is no code of ours at the address."""
    code = await caller.node.code(address)
    for consensus in CONSENSUS.values():
        if load(consensus.contract).is_runtime(code):
            return await consensus.view(caller, address)
    return None


def detect_consensus(head: Mapping[str, Any]) -> str | None:
    """Which consensus a node's newest block looks like; None where it is none of these. A look is no proof."""
    return next((name for name, each in CONSENSUS.items() if each.looks_like(head)), None)
