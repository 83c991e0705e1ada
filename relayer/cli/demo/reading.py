# SPDX-License-Identifier: MIT
"""Read back from a chain what a relayer sent there."""

from __future__ import annotations

from eth_abi import abi as codec

from light_clients.client import Height
from relayer.chains.base import Address
from relayer.chains.evm import abi
from relayer.consensus.open_chain import OpenChain
from relayer.errors import NotFoundYet

_SELECTOR_BYTES = 4
_ANCHORED = abi.topic("Anchored(uint64,uint64,bytes32)")


async def read_delivery(destination: OpenChain, tx_hash: bytes) -> tuple[bytes, bytes]:
    """The two arguments of `deliver` in a transaction: batch and proof."""
    data = await destination.node.transaction_data(tx_hash)
    batch, proof = codec.decode(["bytes", "bytes"], data[_SELECTOR_BYTES:])
    return batch, proof


async def find_anchor(destination: OpenChain, client: Address, height: Height, last: Height) -> bytes:
    """The hash of the transaction that anchored the header of a source's block, in the destination's blocks up to `last`.

    Raises NotFoundYet when there is none.
    """
    logs = await destination.node.logs(client, [_ANCHORED, abi.encode_word(height)], 0, last)
    if not logs:
        raise NotFoundYet(f"no anchor of block {height}", "the one that a short proof refers to")
    return bytes.fromhex(str(logs[-1]["transactionHash"]).removeprefix("0x"))


async def read_anchor(destination: OpenChain, tx_hash: bytes) -> bytes:
    """The argument of `anchor` in a transaction."""
    (anchor,) = codec.decode(["bytes"], (await destination.node.transaction_data(tx_hash))[_SELECTOR_BYTES:])
    return bytes(anchor)
