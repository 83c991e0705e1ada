# SPDX-License-Identifier: MIT
"""How a kind of chain gives its blocks to clients."""

from __future__ import annotations

from typing import Final, Protocol, TypeVar

import msgspec

from relayer.devnet.process.anvil_blocks import Fields

B_contra = TypeVar("B_contra", contravariant=True)

#: What a block has as JSON and a subscription's header lacks.
BODY_FIELDS: Final = ("size", "totalDifficulty", "transactions", "uncles", "withdrawals")
#: What blocks have since London, and blocks of a chain without EIP-1559 lack.
LONDON_FIELDS: Final = (
    "baseFeePerGas",
    "withdrawals",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
)


def without_body(fields: Fields) -> bytes:
    """Return a block as a subscription to new heads gets it, as JSON."""
    return msgspec.json.encode({name: value for name, value in fields.items() if name not in BODY_FIELDS})


class ServedBlocks(Protocol[B_contra]):
    """The blocks of one chain as JSON, with the faults of one RPC server in them."""

    async def by_number(self, number: int, *, full: bool) -> bytes:
        """Return the block of a height; `null` above the head. `full` = with its transactions' bodies."""
        ...

    async def by_hash(self, block_hash: bytes, *, full: bool) -> bytes:
        """Return the block with this hash; `null` when there is none."""
        ...

    async def header(self, block: B_contra) -> bytes:
        """Return what a subscription to new heads gets: the block without its body."""
        ...

    def header_rlp(self, number: int) -> bytes | None:
        """Return the header as a node stores it; None above the head, and where headers have no RLP."""
        ...
