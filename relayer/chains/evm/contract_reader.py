# SPDX-License-Identifier: MIT
"""Reads contracts that ship: calls are encoded and answers decoded by the artifact's ABI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from relayer.chains.evm.node import Node, Topic
from relayer.contracts import Decoded, load
from relayer.errors import RpcAnswerInvalid


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

    async def events(
        self, at: bytes, contract: str, names: Iterable[str], first: int, *topics: Topic
    ) -> list[Decoded]:
        """Return the events of some names that a contract has emitted from a block on, the oldest first.

        Args:
            at: the contract's address, 20 bytes.
            contract: the name of its artifact in relayer/contracts.
            names: of the events.
            first: the lowest block.
            *topics: what the indexed arguments must be, in their order.

        Raises:
            RpcAnswerInvalid: the node gave another log than was asked for.
        """
        artifact = load(contract)
        known = {artifact.event_topic(name): name for name in names}
        found = []
        for log in await self.node.logs(at, [list(known), *topics], first, await self.node.height()):
            given = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
            try:
                name = known[given[0]]
                arguments = artifact.decode_event(name, given, bytes.fromhex(log["data"][2:]))
            except (KeyError, IndexError, ValueError) as error:
                expected = f"an event {' or '.join(known.values())} of {contract}"
                raise RpcAnswerInvalid(f"the log {str(log)[:200]}", expected) from error
            found.append(Decoded(name, arguments))
        return found


def address_of(text: str) -> bytes:
    """Return the 20 bytes of an address that the ABI's decoder gave as text."""
    return bytes.fromhex(text[2:])
