# SPDX-License-Identifier: MIT
"""Blocks as clients get them: anvil's, with the sealed header's fields put over them."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from light_clients.clique.header import MIX_HASH, NONCE_ADD, NONCE_DROP, CliqueHeader
from light_clients.hashing import keccak256
from relayer.consensus.clique.local.block_maker import CliqueBlock, seal
from relayer.consensus.clique.local.faults import Branch, ForeignSeal, ForgedRoot
from relayer.consensus.clique.local.signers import LocalSigners
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.process.anvil_blocks import Fields, as_data, as_quantity
from relayer.devnet.rpc.served_blocks import without_body
from relayer.devnet.state.faults import Faults
from relayer.devnet.state.identities import derive_account


class ServedCliqueBlocks:
    """Gives sealed blocks to clients (relayer.devnet.rpc.served_blocks.ServedBlocks).

    Args:
        parts: of the chain.
        faults: of the RPC server.
        signers: whose keys seal another branch.
        seed: of the chain.
    """

    def __init__(
        self, parts: ChainParts[CliqueBlock], faults: Faults, signers: LocalSigners, seed: bytes
    ) -> None:
        self._parts = parts
        self._ledger = parts.ledger
        self._faults = faults
        self._signers = signers
        self._stranger = derive_account(seed, "", "stranger", 0)
        # By where it leaves the chain, another branch: its headers from there on.
        self._branches: dict[int, list[CliqueHeader]] = {}

    async def by_number(self, number: int, *, full: bool) -> bytes:
        """Return the block of a height as JSON; `null` above the head."""
        block = self._ledger.at(number)
        if block is None:
            return b"null"
        return msgspec.json.encode(await self._fields(self._tampered(block), full=full))

    async def by_hash(self, block_hash: bytes, *, full: bool) -> bytes:
        """Return the block of the chain with this hash; `null` when there is none."""
        number = self._ledger.number_of(block_hash)
        block = None if number is None else self._ledger.at(number)
        return b"null" if block is None else msgspec.json.encode(await self._fields(block, full=full))

    async def header(self, block: CliqueBlock) -> bytes:
        """Return what a subscription to new heads gets: the block as served by number, without its body."""
        return without_body(await self._fields(self._tampered(block), full=False))

    def header_rlp(self, number: int) -> bytes | None:
        """Return the header as a node stores it, its seal included; None above the head."""
        block = self._ledger.at(number)
        return None if block is None else self._tampered(block).header.to_rlp()

    async def _fields(self, block: CliqueBlock, *, full: bool) -> Fields:
        header = block.header
        return await self._parts.fields(block.number, full=full) | {
            "hash": as_data(header.block_hash),
            "parentHash": as_data(header.parent_hash),
            "miner": as_data(header.candidate),
            "stateRoot": as_data(header.state_root),
            "extraData": as_data(header.vanity + b"".join(header.listed) + header.seal),
            "mixHash": as_data(MIX_HASH),
            "nonce": as_data(NONCE_ADD if header.add else NONCE_DROP),
            "difficulty": as_quantity(header.difficulty),
            "totalDifficulty": as_quantity(block.total_difficulty),
            "size": as_quantity(block.size()),
        }

    def _tampered(self, block: CliqueBlock) -> CliqueBlock:
        """Return a block as it is served by number: another one where a fault acts, and one can."""
        if not self._faults or not block.number:
            return block
        branch = self._faults.take_block(Branch, block.number)
        if branch is not None:
            return replace(block, header=self._branch_at(max(1, branch.first or 1), block.number))
        header = block.header
        if self._faults.take_block(ForgedRoot, block.number) is not None:
            header = replace(header, state_root=_other_root(header))
        if self._faults.take_block(ForeignSeal, block.number) is not None:
            header = seal(header, self._stranger)
        return replace(block, header=header)

    def _branch_at(self, first: int, number: int) -> CliqueHeader:
        headers = self._branches.setdefault(first, [])
        while len(headers) <= number - first:
            block = self._ledger.at(first + len(headers))
            assert block is not None
            own = block.header
            assert own.signer is not None
            changed = (
                replace(own, parent_hash=headers[-1].block_hash)
                if headers
                else replace(own, state_root=_other_root(own))
            )
            headers.append(seal(changed, self._signers.accounts[own.signer]))
        return headers[number - first]


def _other_root(header: CliqueHeader) -> bytes:
    return keccak256(b"an invented state of " + header.block_hash)
