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
from relayer.devnet.process.anvil_blocks import Fields
from relayer.devnet.rpc.served_blocks import BODY_FIELDS, LONDON_FIELDS
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
        self._ledger = parts.ledger
        self._anvil_blocks = parts.anvil_blocks
        self._rules = parts.rules
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
        fields = await self._fields(block, full=False)
        return msgspec.json.encode({name: value for name, value in fields.items() if name not in BODY_FIELDS})

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
        native = await self._anvil_blocks.get(block.number, full=full)
        if full:
            # A copy: it may be kept.
            native = native | {
                "transactions": msgspec.Raw(self._ledger.rewrite(bytes(native["transactions"])))
            }
        if self._rules.legacy:
            native = {name: value for name, value in native.items() if name not in LONDON_FIELDS}
        return native | {
            "hash": _text(block.hash),
            "parentHash": _text(block.parent_hash),
            "stateRoot": _text(block.state_root),
            "extraData": _text(block.extra.stored(block.seals)),
            "miner": _text(block.extra.coinbase(block.proposer)),
            "difficulty": msgspec.Raw(b'"0x1"'),
            # Each block adds its difficulty of 1, the genesis block too.
            "totalDifficulty": msgspec.Raw(b'"0x%x"' % (block.number + 1)),
            "mixHash": _text(ISTANBUL_MIX_HASH),
            "nonce": _text(block.extra.nonce),
            "size": msgspec.Raw(b'"0x%x"' % block.size()),
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


def _text(value: bytes) -> msgspec.Raw:
    return msgspec.Raw(b'"0x%b"' % value.hex().encode())
