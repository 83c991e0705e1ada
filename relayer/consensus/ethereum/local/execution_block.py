# SPDX-License-Identifier: MIT
"""Execution blocks of a local Ethereum chain: anvil's own, header hash and all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from light_clients.ethereum.config import Slot
from relayer.devnet.errors import ExecutionError
from relayer.devnet.state.anvil_header import AnvilHeader, check_anvil_hash


@dataclass(frozen=True, slots=True)
class ExecutionBlock:
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
    def anvil_hash(self) -> bytes:
        """anvil's own: the same."""
        return self.hash


def read_execution_block(
    block: Mapping[str, Any], parent: ExecutionBlock | None, slot: Slot
) -> ExecutionBlock:
    """Return a block as anvil tells it, after its hash was computed again.

    Raises:
        ExecutionError: the hash is not that of the fields, or the parent is another one.
    """
    parent_hash = bytes(32) if parent is None else parent.hash
    header = AnvilHeader.from_rpc(block, bytes.fromhex(block["parentHash"][2:]))
    if header.parent_hash != parent_hash:
        raise ExecutionError(
            f"block {header.number} on parent 0x{header.parent_hash.hex()}", f"0x{parent_hash.hex()}"
        )
    return ExecutionBlock(
        number=header.number,
        hash=check_anvil_hash(header, block),
        parent_hash=parent_hash,
        timestamp=header.timestamp,
        state_root=header.state_root,
        rlp=header.anvil_rlp(block),
        slot=slot,
    )
