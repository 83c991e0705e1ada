# SPDX-License-Identifier: MIT
"""Blocks as clients get them: anvil's, with the sealed header's fields put over them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

import msgspec

from light_clients.bft.preimage import ISTANBUL_MIX_HASH
from light_clients.hashing import keccak256
from relayer.consensus.bft.local.faults import (
    Equivocation,
    ForeignSeals,
    ForgedHeader,
    ForgedSeals,
    MissingSeals,
    RepeatedSeals,
    SealFault,
)
from relayer.consensus.bft.local.sealed_block import SealedBlock, quorum
from relayer.consensus.bft.local.sealing import make_twin, seal, sign
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.process.anvil_blocks import Fields, as_data, as_quantity
from relayer.devnet.rpc.served_blocks import without_body
from relayer.devnet.state.faults import Faults
from relayer.devnet.state.identities import Account, derive_account

#: Blocks that a node's own seals are kept of.
_KEPT: Final = 256
_SEAL_FAULTS: Final[tuple[type[SealFault], ...]] = (MissingSeals, ForgedSeals, ForeignSeals, RepeatedSeals)


class ServedBftBlocks:
    """Gives sealed blocks to clients (relayer.devnet.rpc.served_blocks.ServedBlocks).

    Args:
        parts: of the chain.
        faults: of the RPC server.
        accounts: the validators' keys by address, for second blocks and forged seals.
        seed: of the chain.
        node: counts the RPC servers from 0; each shows the seals of another node (`sealing.seal`).
    """

    def __init__(
        self,
        parts: ChainParts[SealedBlock],
        faults: Faults,
        accounts: dict[bytes, Account],
        seed: bytes,
        *,
        node: int = 0,
    ) -> None:
        self._node = node
        self._resealed: dict[bytes, SealedBlock] = {}
        self._parts = parts
        self._ledger = parts.ledger
        self._faults = faults
        self._accounts = accounts
        self._stranger = derive_account(seed, "", "stranger", 0)

    async def by_number(self, number: int, *, full: bool) -> bytes:
        """Return the block of a height as JSON; `null` above the head."""
        block = self._at(number)
        if block is None:
            return b"null"
        if self._faults:
            block = self._tampered(block)
        return msgspec.json.encode(await self._fields(block, full=full))

    async def by_hash(self, block_hash: bytes, *, full: bool) -> bytes:
        """Return the block with this hash, second blocks of a height included; `null` when there is none."""
        number = self._ledger.number_of(block_hash)
        if number is not None:
            block = self._at(number)
            assert block is not None
            if self._faults:
                block = self._with_seal_fault(block)
        else:
            block = self._ledger.twin(block_hash)
            if block is None:
                return b"null"
        return msgspec.json.encode(await self._fields(block, full=full))

    async def header(self, block: SealedBlock) -> bytes:
        """Return what a subscription to new heads gets: the block as served by number, without its body."""
        block = self._own(block)
        if self._faults:
            block = self._tampered(block)
        return without_body(await self._fields(block, full=False))

    def header_rlp(self, number: int) -> bytes | None:
        """Return the header as a node stores it, seals included; None above the head."""
        block = self._at(number)
        if block is None:
            return None
        return (self._tampered(block) if self._faults else block).rlp()

    def _at(self, number: int) -> SealedBlock | None:
        block = self._ledger.at(number)
        return None if block is None else self._own(block)

    def _own(self, block: SealedBlock) -> SealedBlock:
        """Return a block with the seals that this node has of it."""
        if self._node == 0 or not block.seals:
            return block
        if block.hash not in self._resealed:
            if len(self._resealed) == _KEPT:
                del self._resealed[next(iter(self._resealed))]
            self._resealed[block.hash] = seal(block, self._accounts, len(block.seals), node=self._node)
        return self._resealed[block.hash]

    async def _fields(self, block: SealedBlock, *, full: bool) -> Fields:
        return await self._parts.fields(block.number, full=full) | {
            "hash": as_data(block.hash),
            "parentHash": as_data(block.parent_hash),
            "stateRoot": as_data(block.state_root),
            "extraData": as_data(block.extra.stored(block.seals)),
            "miner": as_data(block.extra.coinbase(block.proposer)),
            "difficulty": as_quantity(1),
            # Each block adds its difficulty of 1, the genesis block too.
            "totalDifficulty": as_quantity(block.number + 1),
            "mixHash": as_data(ISTANBUL_MIX_HASH),
            "nonce": as_data(block.extra.nonce),
            "size": as_quantity(block.size()),
        }

    def _tampered(self, block: SealedBlock) -> SealedBlock:
        if self._faults.take_block(Equivocation, block.number) is not None:
            return make_twin(self._ledger, block.number, self._accounts)
        if self._faults.take_block(ForgedHeader, block.number) is not None:
            forged = block.with_state_root(keccak256(b"an invented state of " + block.hash))
            return replace(forged, seals=block.seals)
        return self._with_seal_fault(block)

    def _with_seal_fault(self, block: SealedBlock) -> SealedBlock:
        for kind in _SEAL_FAULTS:
            fault = self._faults.take_block(kind, block.number)
            if fault is not None:
                return replace(block, seals=self._bad_seals(block, fault))
        return block

    def _bad_seals(self, block: SealedBlock, fault: SealFault) -> tuple[bytes, ...]:
        seals = block.seals
        match fault:
            case MissingSeals(keep=keep):
                return seals[: quorum(len(block.extra.validators)) - 1 if keep is None else keep]
            case RepeatedSeals():
                return seals[:1] * len(seals)
            case ForeignSeals(count=count):
                foreign = sign(block.seal_hash(), self._stranger)
                return seals[: max(0, len(seals) - count)] + (foreign,) * min(count, len(seals))
            case ForgedSeals(count=count):
                forged = len(seals) if count is None else min(count, len(seals))
                listed = block.extra.validators[:forged]
                digest = keccak256(os.urandom(32))
                return tuple(sign(digest, self._accounts[address]) for address in listed) + seals[forged:]
