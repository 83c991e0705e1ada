# SPDX-License-Identifier: MIT
"""Execution payload headers: from a block that anvil made, or invented for chains that execute nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from light_clients.ethereum.config import ForkName, Slot
from light_clients.ethereum.execution import ExecutionPayloadHeader
from relayer.consensus.ethereum.local.leaves import bytes_root, list_root

#: The limits of the payload's lists (consensus-specs, mainnet preset) decide how deep their trees are.
MAX_TRANSACTIONS: Final = 2**20
MAX_BYTES_PER_TRANSACTION: Final = 2**30
MAX_WITHDRAWALS: Final = 16
EMPTY_TRANSACTIONS_ROOT: Final = list_root((), MAX_TRANSACTIONS, 0)
_INVENTED_GAS_LIMIT: Final = 30_000_000


def withdrawals_root(limit: int) -> bytes:
    """Return the root of no withdrawals, where a block may hold `limit` (16 on mainnet, 4 in `MINIMAL`)."""
    return list_root((), limit, 0)


def transactions_root(transactions: Sequence[bytes]) -> bytes:
    """Return the root of a payload's transactions, as they were broadcast."""
    if not transactions:
        return EMPTY_TRANSACTIONS_ROOT
    leaves = [bytes_root(transaction, MAX_BYTES_PER_TRANSACTION) for transaction in transactions]
    return list_root(leaves, MAX_TRANSACTIONS, len(leaves))


def payload_of_block(
    block: Mapping[str, Any], transactions: Sequence[bytes], fork: ForkName, max_withdrawals: int
) -> ExecutionPayloadHeader:
    """Return the header of the payload that a block of anvil's is.

    Args:
        block: as `eth_getBlockByNumber` tells it, without withdrawals.
        transactions: its transactions as they were broadcast.
        fork: whose form the header has.
        max_withdrawals: of the preset.
    """
    return ExecutionPayloadHeader(
        parent_hash=_bytes(block["parentHash"]),
        fee_recipient=_bytes(block["miner"]),
        state_root=_bytes(block["stateRoot"]),
        receipts_root=_bytes(block["receiptsRoot"]),
        logs_bloom=_bytes(block["logsBloom"]),
        prev_randao=_bytes(block["mixHash"]),
        block_number=int(block["number"], 16),
        gas_limit=int(block["gasLimit"], 16),
        gas_used=int(block["gasUsed"], 16),
        timestamp=int(block["timestamp"], 16),
        extra_data=_bytes(block["extraData"]),
        base_fee_per_gas=int(block["baseFeePerGas"], 16),
        block_hash=_bytes(block["hash"]),
        transactions_root=transactions_root(transactions),
        withdrawals_root=withdrawals_root(max_withdrawals),
        blob_gas_used=int(block["blobGasUsed"], 16),
        excess_blob_gas=int(block["excessBlobGas"], 16),
    ).in_form_of(fork)


def invent_payload(
    fork: ForkName, slot: Slot, timestamp: int, parent: ExecutionPayloadHeader | None
) -> ExecutionPayloadHeader:
    """Return a payload header for a slot of a chain that executes nothing; its roots are invented."""

    def digest(what: bytes) -> bytes:
        return sha256(b"invented %b of slot %d" % (what, slot)).digest()

    return ExecutionPayloadHeader(
        parent_hash=bytes(32) if parent is None else parent.block_hash,
        state_root=digest(b"state"),
        receipts_root=digest(b"receipts"),
        prev_randao=digest(b"randomness"),
        block_number=0 if parent is None else parent.block_number + 1,
        gas_limit=_INVENTED_GAS_LIMIT,
        timestamp=timestamp,
        base_fee_per_gas=7,
        block_hash=digest(b"block"),
        transactions_root=EMPTY_TRANSACTIONS_ROOT,
        withdrawals_root=withdrawals_root(MAX_WITHDRAWALS),
        blob_gas_used=0,
        excess_blob_gas=0,
    ).in_form_of(fork)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
