# SPDX-License-Identifier: MIT
"""From one trusted set to another, change by change, where a contract chooses the validators.

The block that changes the contract's list is the last one of the old set, so it is the update: the old set
sealed it, and its state has the new list. No change can be skipped, and none has to be waited for: no seals
need to be gathered. What lies between is found by halving. A list that came back to what it was counts as
unchanged, for its members seal again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from light_clients.bft.contract_mode.client import ContractModeClient
from light_clients.bft.contract_mode.codec import ProvenBlock, encode_update
from light_clients.bft.contract_mode.header import BareHeader
from light_clients.bft.contract_mode.validator_contract import SetProof
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.bft.validators import set_hash
from light_clients.client import Height, Timestamp
from light_clients.errors import HeaderRejected
from relayer.consensus.bft.contract_mode.held_set import HeldSource, read_any_header, read_held

#: Changes of one call, so that a very long absence does not hold up everything else.
_MAX_STEPS: Final = 32


class ContractModePath:
    """The way of a light client from its trusted state to later ones.

    `client` is where it has come to, and `validators` the set that the last update led to; `updates` are the
    arguments of `update`, in order, that led there and that the Python client has accepted.

    Args:
        source: where to read headers and proofs.
        client: trusted state to start from, ours or one on a destination.
        now: time at the client.
    """

    def __init__(self, source: HeldSource, client: ContractModeClient, now: Timestamp) -> None:
        self._source = source
        self._now = now
        self.client = client
        self.validators: tuple[bytes, ...] = ()
        self.updates: list[bytes] = []

    async def lead_to_turn(self, number: Height) -> bool:
        """Lead the client to the set that seals a block: the one that the contract holds under its parent.

        Returns:
            False when there are so many changes that it stopped on the way.

        Raises:
            Rejection: the light client refuses the blocks, or is expired or frozen.
            ChainUnavailable, NotFoundYet: no provider's headers and proofs lead there; nodes keep the states
                of a limited number of blocks.
        """
        for _ in range(_MAX_STEPS):
            before = Height(number - 1)
            if before <= self.client.state.height or await self._is_trusted(before):
                return True
            await self._apply(await self._find_change(before))
        return False

    async def renew(self, number: Height) -> None:
        """Make a block trusted that the trusted set sealed in its turn, with the set after it.

        Raises as `lead_to_turn`.
        """
        await self._apply(number)

    async def _is_trusted(self, number: Height) -> bool:
        """Whether the contract holds the trusted set after a block."""
        header = await self._source.checked_block(number, read_any_header)
        held = await read_held(self._source, self.client.params.contract, header)
        return set_hash(held.validators) == self.client.state.set_hash

    async def _find_change(self, changed: Height) -> Height:
        """Return a block with a change: after it the contract holds another set than the trusted one, and
        after its parent the trusted one. After `changed` it holds another one.
        """
        low, high = self.client.state.height, changed
        while high - low > 1:
            middle = Height((low + high) // 2)
            if await self._is_trusted(middle):
                low = middle
            else:
                high = middle
        return high

    async def _apply(self, number: Height) -> None:
        contract, known = self.client.params.contract, self.client.state.storage_root
        block, after = await read_block(self._source, self.client, number)
        update = encode_update(block, after, contract, known)
        self.client = self.client.update(update, self._now)
        self.validators = after.validators
        self.updates.append(update)


async def read_block(
    source: HeldSource, client: ContractModeClient, number: Height
) -> tuple[ProvenBlock, SetProof]:
    """Return a block with its parent and the set before it, and the set after it.

    Raises ChainUnavailable, NotFoundYet.
    """

    def read(block: Mapping[str, Any]) -> BareHeader:
        return BareHeader.from_rpc(block, BftKind.QBFT)

    header = await source.checked_block(number, read)
    block = await read_proven(source, client, header)
    return block, await read_held(source, client.params.contract, header, len(block.before.validators) + 1)


async def read_proven(source: HeldSource, client: ContractModeClient, header: BareHeader) -> ProvenBlock:
    """Return a block with its parent and the set that seals it. Raises ChainUnavailable, NotFoundYet."""

    def read(block: Mapping[str, Any]) -> BftHeader:
        parent = read_any_header(block)
        if parent.block_hash != header.parent_hash:
            raise HeaderRejected("another parent", found=parent.block_hash, expected=header.parent_hash)
        return parent

    parent = await source.checked_block(Height(header.number - 1), read)
    return ProvenBlock(header, parent, await read_held(source, client.params.contract, parent))
