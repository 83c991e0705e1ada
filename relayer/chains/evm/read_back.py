# SPDX-License-Identifier: MIT
"""Read back from a chain what a relayer sent there: the arguments that its transactions gave to contracts."""

from __future__ import annotations

from typing import Final

from eth_abi import abi as codec

from light_clients.client import Height
from relayer.chains.base import Address
from relayer.chains.evm import abi
from relayer.chains.evm.node import Node
from relayer.errors import NotFoundYet

_SELECTOR_BYTES: Final = 4
_ANCHORED: Final = abi.topic("Anchored(uint64,uint64,bytes32)")


async def read_delivery(destination: Node, tx_hash: bytes) -> tuple[bytes, bytes]:
    """Return the two arguments of `deliver` in a transaction: batch and proof. Raises ChainUnavailable."""
    data = await destination.transaction_data(tx_hash)
    batch, proof = codec.decode(["bytes", "bytes"], data[_SELECTOR_BYTES:])
    return batch, proof


async def find_anchor(destination: Node, client: Address, height: Height, last: Height) -> bytes:
    """Return the hash of the transaction that anchored the header of a source's block in a light client.

    Args:
        destination: the chain that the light client serves.
        client: the light client.
        height: of the source's block.
        last: the newest of the destination's blocks that are searched.

    Raises:
        NotFoundYet: no such transaction is in these blocks.
        ChainUnavailable: the node does not answer.
    """
    logs = await destination.logs(client, [_ANCHORED, abi.encode_word(height)], 0, last)
    if not logs:
        raise NotFoundYet(f"no anchor of block {height}", "the one that a short proof refers to")
    return bytes.fromhex(str(logs[-1]["transactionHash"]).removeprefix("0x"))


async def read_anchor(destination: Node, tx_hash: bytes) -> bytes:
    """Return the argument of `anchor` in a transaction. Raises ChainUnavailable."""
    (anchor,) = codec.decode(["bytes"], (await destination.transaction_data(tx_hash))[_SELECTOR_BYTES:])
    return bytes(anchor)
