# SPDX-License-Identifier: MIT
"""Execution blocks as clients get them. Nothing is put over what anvil tells, and no fault acts on it."""

from __future__ import annotations

import msgspec

from relayer.consensus.ethereum.local.execution_block import ExecutionBlock
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.rpc.served_blocks import without_body


class ServedExecutionBlocks:
    """Gives execution blocks to clients as anvil tells them
    (relayer.devnet.rpc.served_blocks.ServedBlocks).
    """

    def __init__(self, parts: ChainParts[ExecutionBlock]) -> None:
        self._ledger = parts.ledger
        self._anvil_blocks = parts.anvil_blocks

    async def by_number(self, number: int, *, full: bool) -> bytes:
        """Return the block of a height as JSON; `null` above the head."""
        if self._ledger.at(number) is None:
            return b"null"
        return msgspec.json.encode(await self._anvil_blocks.get(number, full=full))

    async def by_hash(self, block_hash: bytes, *, full: bool) -> bytes:
        """Return the block with this hash; `null` when there is none."""
        number = self._ledger.number_of(block_hash)
        return b"null" if number is None else await self.by_number(number, full=full)

    async def header(self, block: ExecutionBlock) -> bytes:
        """Return what a subscription to new heads gets: the block without its body."""
        return without_body(await self._anvil_blocks.get(block.number, full=False))

    def header_rlp(self, number: int) -> bytes | None:
        """Return the header as a node stores it; None above the head."""
        block = self._ledger.at(number)
        return None if block is None else block.rlp
