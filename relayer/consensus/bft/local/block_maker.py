# SPDX-License-Identifier: MIT
"""Making sealed blocks: anvil executes, we decide when and by whom, and seal what came out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from light_clients.bft.preimage import BftKind
from relayer.consensus.bft.local.faults import Rounds
from relayer.consensus.bft.local.sealed_block import ExtraDataParts, SealedBlock, build_block
from relayer.consensus.bft.local.sealing import seal
from relayer.consensus.bft.local.validators import Validators
from relayer.devnet.chain.block_maker import BlockMaker
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.process.anvil import Anvil
from relayer.devnet.state.anvil_header import AnvilHeader, check_anvil_hash


async def read_genesis(anvil: Anvil, kind: BftKind, validators: tuple[bytes, ...]) -> SealedBlock:
    """Return anvil's block 0 as the genesis block of the sealed chain.

    Its state root is anvil's, and wrong: trust begins at block 1.
    """
    block = await anvil.upstream.call("eth_getBlockByNumber", "0x0", False)  # noqa: FBT003  JSON-RPC has no names
    return seal_executed(block, bytes(32), ExtraDataParts(kind, validators), legacy=anvil.rules.legacy)


def seal_executed(
    block: Mapping[str, Any], parent_hash: bytes, extra: ExtraDataParts, *, legacy: bool
) -> SealedBlock:
    """Return the sealed chain's block for one of anvil's, without seals.

    Args:
        block: anvil's, as JSON.
        parent_hash: of the sealed chain's block before it.
        extra: what consensus adds.
        legacy: the header ends with the nonce, as before London, whatever anvil's has behind it.

    Raises:
        ExecutionError: anvil's header holds something that we don't know.
    """
    header = AnvilHeader.from_rpc(block, parent_hash)
    anvil_hash = check_anvil_hash(header, block)
    body_bytes = header.body_bytes(block, legacy=legacy)
    kept = header.without_tail() if legacy else header
    return build_block(kept, extra, anvil_hash=anvil_hash, body_bytes=body_bytes)


class BftBlockMaker(BlockMaker[SealedBlock]):
    """Makes one BFT chain's blocks, one at a time.

    Args:
        parts: of the chain.
        validators: who proposes and seals.
        all_seals: every validator seals; without it, a quorum does.
    """

    def __init__(self, parts: ChainParts[SealedBlock], validators: Validators, *, all_seals: bool) -> None:
        super().__init__(parts)
        self._validators = validators
        self._all_seals = all_seals

    def _advance(self, block: SealedBlock) -> None:
        self._validators.advance(block)

    async def _make(self, balances: Mapping[bytes, int]) -> tuple[SealedBlock, bool]:
        parent = self._parts.ledger.head
        number = parent.number + 1
        rounds = self._parts.faults.take(Rounds) if self._parts.faults else None
        round_number = 0 if rounds is None else rounds.round
        proposer = self._validators.proposer(number, parent.proposer, round_number)
        # Equal seconds are allowed and make sub-second blocks possible; a chain must never run ahead of the
        # wall clock.
        timestamp = max(math.floor(time.time()), parent.timestamp)
        executed = await self._execute(number, timestamp, proposer, balances)
        extra = ExtraDataParts(
            kind=self._validators.kinds.at(number),
            validators=self._validators.at(number),
            vote=self._validators.vote_for(proposer),
            round=round_number,
            by_contract=self._validators.by_contract,
        )
        block = seal_executed(executed.block, parent.hash, extra, legacy=self._parts.rules.legacy)
        self._parts.anvil_blocks.keep(number, executed.raw)
        sealed = seal(block, self._validators.accounts, len(extra.validators) if self._all_seals else None)
        return sealed, executed.has_logs
