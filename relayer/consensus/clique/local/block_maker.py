# SPDX-License-Identifier: MIT
"""Making Clique blocks: anvil executes, we decide when and who seals, and seal what came out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from light_clients import ecdsa
from light_clients.client import Height, Timestamp
from light_clients.clique.header import IN_TURN, NOBODY, OUT_OF_TURN, SEAL_BYTES, VANITY_BYTES, CliqueHeader
from relayer.consensus.clique.local.signers import LocalSigners, SignerVote
from relayer.devnet.chain.block_maker import BlockMaker
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.process.anvil import Anvil
from relayer.devnet.state.anvil_header import AnvilHeader, check_anvil_hash, list_bytes
from relayer.devnet.state.identities import Account

#: What stands in the genesis block, and in a block before it is sealed.
_NO_SEAL: Final = bytes(SEAL_BYTES)


@dataclass(frozen=True, slots=True)
class CliqueBlock:
    """A block of a local chain.

    Attributes:
        header: sealed, but for the genesis block's.
        anvil_hash: anvil's own hash of what it executed.
        signers: who may seal the next block.
        total_difficulty: of the chain up to this block.
        body_bytes: the length of the block's RLP payload beside the header.
    """

    header: CliqueHeader
    anvil_hash: bytes
    signers: tuple[bytes, ...]
    total_difficulty: int
    body_bytes: int

    @property
    def number(self) -> int:
        """The block's height."""
        return self.header.number

    @property
    def hash(self) -> bytes:
        """What the chain calls the block."""
        return self.header.block_hash

    @property
    def parent_hash(self) -> bytes:
        """The hash of the block before."""
        return self.header.parent_hash

    @property
    def timestamp(self) -> int:
        """In seconds."""
        return self.header.timestamp

    @property
    def state_root(self) -> bytes:
        """The root of the state behind the block."""
        return self.header.state_root

    def size(self) -> int:
        """Return the length of the whole block's RLP, as `size` in JSON-RPC tells it."""
        return list_bytes(len(self.header.to_rlp()) + self.body_bytes)


def seal(header: CliqueHeader, account: Account) -> CliqueHeader:
    """Return the header with the seal of an account in the place of its own."""
    return replace(header, seal=ecdsa.sign(header.seal_hash, account.secret))


async def read_genesis(anvil: Anvil, signers: LocalSigners) -> CliqueBlock:
    """Return anvil's block 0 as the genesis block of the sealed chain.

    Its state root is anvil's, and wrong: trust begins at block 1 or later.
    """
    block = await anvil.upstream.call("eth_getBlockByNumber", "0x0", False)  # noqa: FBT003  JSON-RPC has no names
    header, anvil_hash, body_bytes = _build(
        block, bytes(32), signers.current, None, OUT_OF_TURN, legacy=anvil.rules.legacy
    )
    return CliqueBlock(header, anvil_hash, signers.current, header.difficulty, body_bytes)


class CliqueBlockMaker(BlockMaker[CliqueBlock]):
    """Makes one Clique chain's blocks, one at a time.

    Args:
        parts: of the chain.
        signers: who seals.
    """

    def __init__(self, parts: ChainParts[CliqueBlock], signers: LocalSigners) -> None:
        super().__init__(parts)
        self._signers = signers

    async def is_due(self) -> bool:
        """Return whether a block is made when the block time has passed: none while nobody can seal it."""
        return self._signers.can_seal() and await super().is_due()

    def _advance(self, block: CliqueBlock) -> None:
        """Do nothing: `_make` counts votes, because the block says who seals behind it."""

    async def _make(self, balances: Mapping[bytes, int]) -> tuple[CliqueBlock, bool]:
        parent, signers = self._parts.ledger.head, self._signers
        number = parent.number + 1
        signer, members = signers.choose(number), signers.current
        timestamp = max(math.floor(time.time()), parent.timestamp)
        # COINBASE is who sealed, whatever the header's beneficiary says.
        executed = await self._execute(number, timestamp, signer, balances)
        difficulty = IN_TURN if number % len(members) == members.index(signer) else OUT_OF_TURN
        unsealed, anvil_hash, body_bytes = _build(
            executed.block,
            parent.hash,
            members if number % signers.epoch == 0 else (),
            signers.vote_for(number),
            difficulty,
            legacy=self._parts.rules.legacy,
        )
        self._parts.anvil_blocks.keep(number, executed.raw)
        header = seal(unsealed, signers.accounts[signer])
        signers.advance(header)
        total = parent.total_difficulty + difficulty
        return CliqueBlock(header, anvil_hash, signers.current, total, body_bytes), executed.has_logs


def _build(
    block: Mapping[str, Any],
    parent_hash: bytes,
    listed: tuple[bytes, ...],
    vote: SignerVote | None,
    difficulty: int,
    *,
    legacy: bool,
) -> tuple[CliqueHeader, bytes, int]:
    """Return a header without a seal for one of anvil's blocks, anvil's hash, and the body's bytes.

    Raises:
        ExecutionError: anvil's header holds something that we don't know.
    """
    native = AnvilHeader.from_rpc(block, parent_hash)
    anvil_hash = check_anvil_hash(native, block)
    header = CliqueHeader(
        parent_hash=parent_hash,
        candidate=NOBODY if vote is None else vote.candidate,
        add=vote is not None and vote.add,
        state_root=native.state_root,
        transactions_root=native.transactions_root,
        receipts_root=native.receipts_root,
        bloom=native.logs_bloom,
        difficulty=difficulty,
        number=Height(native.number),
        gas_limit=native.gas_limit,
        gas_used=native.gas_used,
        timestamp=Timestamp(native.timestamp),
        vanity=bytes(VANITY_BYTES),
        listed=listed,
        seal=_NO_SEAL,
        tail=b"" if legacy else b"".join(native.tail),
    )
    return header, anvil_hash, native.body_bytes(block, legacy=legacy)
