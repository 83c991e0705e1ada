# SPDX-License-Identifier: MIT
"""Calls of our own contracts, encoded and decoded."""

from __future__ import annotations

from typing import Any

from relayer.chains.evm.node import Node
from relayer.contracts import load


class ContractReader:
    """Asks contracts on one chain."""

    def __init__(self, node: Node) -> None:
        self.node = node

    async def ask(self, to: bytes, contract: str, function: str, *arguments: object) -> Any:
        """What a function returns: the value, or a tuple of several. Raises CallReverted, ValueError."""
        artifact = load(contract)
        answer = await self.node.call(to, artifact.encode_call(function, *arguments))
        return artifact.decode_result(function, answer)


def address_of(text: str) -> bytes:
    """An address as the ABI's decoder gives it, as 20 bytes."""
    return bytes.fromhex(text[2:])
