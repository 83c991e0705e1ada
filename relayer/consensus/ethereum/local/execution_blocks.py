# SPDX-License-Identifier: MIT
"""Execution blocks of a proof-of-stake chain: anvil's own, header hash and all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from light_clients.ethereum.config import Slot
from relayer.devnet.errors import ExecutionError
from relayer.devnet.process.anvil_blocks import Fields, NativeBlocks
from relayer.devnet.state.header import Header, check_native_hash
from relayer.devnet.state.ledger import Ledger

# A subscription's header has these fields less than a block.
_BODY_FIELDS = ("size", "totalDifficulty", "transactions", "uncles", "withdrawals")


@dataclass(frozen=True, slots=True)
class EthereumBlock:
    """An execution block, and the beacon block that holds it.

    Attributes:
        number, timestamp: of the execution block.
        hash, parent_hash, state_root: 32 bytes each.
        rlp: its header, whose keccak256 is the hash.
        slot: of the beacon block.
    """

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    state_root: bytes
    rlp: bytes
    slot: Slot

    @property
    def native_hash(self) -> bytes:
        """anvil's own: the same."""
        return self.hash


def read_block(block: Mapping[str, Any], parent: EthereumBlock | None, slot: Slot) -> EthereumBlock:
    """A block as anvil tells it, after its hash was computed again.

    Raises:
        ExecutionError: the hash is not that of the fields, or the parent is another one.
    """
    parent_hash = bytes(32) if parent is None else parent.hash
    header = Header.from_rpc(block, bytes.fromhex(block["parentHash"][2:]))
    if header.parent_hash != parent_hash:
        raise ExecutionError(
            f"block {header.number} on parent 0x{header.parent_hash.hex()}", f"0x{parent_hash.hex()}"
        )
    return EthereumBlock(
        number=header.number,
        hash=check_native_hash(header, block),
        parent_hash=parent_hash,
        timestamp=header.timestamp,
        state_root=header.state_root,
        rlp=header.native_rlp(block),
        slot=slot,
    )


class EthereumBlocks:
    """Serves them as JSON."""

    def __init__(self, ledger: Ledger[EthereumBlock], native: NativeBlocks) -> None:
        self._ledger = ledger
        self._native = native

    async def by_number(self, number: int, *, full: bool) -> bytes:
        """The block of a height as JSON; `null` above the head."""
        if self._ledger.at(number) is None:
            return b"null"
        return msgspec.json.encode(await self._native.get(number, full=full))

    async def by_hash(self, block_hash: bytes, *, full: bool) -> bytes:
        """The block with this hash; `null` when there is none."""
        number = self._ledger.number_of(block_hash)
        return b"null" if number is None else await self.by_number(number, full=full)

    async def header(self, block: EthereumBlock) -> bytes:
        """What a subscription to new heads gets: the block without its body."""
        fields: Fields = await self._native.get(block.number, full=False)
        return msgspec.json.encode(
            {name: value for name, value in fields.items() if name not in _BODY_FIELDS}
        )

    def header_rlp(self, number: int) -> bytes | None:
        """The header as a node stores it; None above the head."""
        block = self._ledger.at(number)
        return None if block is None else block.rlp
