# SPDX-License-Identifier: MIT
"""Reads contracts that ship: calls are encoded and answers decoded by the artifact's ABI."""

from __future__ import annotations

from typing import Any

from relayer.chains.evm.node import Node
from relayer.contracts import load


class ContractReader:
    """Asks contracts on one chain, as its owner's provider shows them. Nothing is verified."""

    def __init__(self, node: Node) -> None:
        self.node = node

    async def ask(self, to: bytes, contract: str, function: str, *arguments: object) -> Any:
        """Call a function of a contract at the newest block.

        Args:
            to: the contract's address, 20 bytes.
            contract: the name of its artifact in relayer/contracts.
            function: the function's name in the artifact.
            *arguments: as eth_abi takes them.

        Returns:
            The value that the function returns, or a tuple where it returns several.

        Raises:
            CallReverted: the call reverts.
            ValueError: the answer is not what the ABI says.
        """
        artifact = load(contract)
        answer = await self.node.call(to, artifact.encode_call(function, *arguments))
        return artifact.decode_result(function, answer)


def address_of(text: str) -> bytes:
    """Return the 20 bytes of an address that the ABI's decoder gave as text."""
    return bytes.fromhex(text[2:])
