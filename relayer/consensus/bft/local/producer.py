# SPDX-License-Identifier: MIT
"""Making sealed blocks: anvil executes, we decide when and by whom, and seal what came out."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Any

from light_clients.bft.preimage import BftKind
from relayer.consensus.bft.local.header import Consensus, SealedBlock, build_block
from relayer.consensus.bft.local.sealing import Validators, seal
from relayer.devnet.chain.block_maker import BlockMaker
from relayer.devnet.process.upstream import Upstream
from relayer.devnet.state.faults import Rounds, Stall
from relayer.devnet.state.header import Header, check_native_hash, list_payload_bytes

# anvil's size leaves out the withdrawals, an empty list in every block that it makes.
_MISSING_IN_SIZE = 1


async def read_genesis(upstream: Upstream, kind: BftKind, validators: tuple[bytes, ...]) -> SealedBlock:
    """anvil's block 0 as the genesis block of the sealed chain. Its state root is anvil's, and wrong: trust begins at block 1."""
    block = await upstream.call("eth_getBlockByNumber", "0x0", False)  # noqa: FBT003  JSON-RPC has no names
    return seal_native(block, bytes(32), Consensus(kind, validators))


def seal_native(block: Mapping[str, Any], parent_hash: bytes, consensus: Consensus) -> SealedBlock:
    """The sealed chain's block for one of anvil's, without seals.

    Raises:
        ExecutionError: anvil's header holds something that we don't know.
    """
    header = Header.from_rpc(block, parent_hash)
    native_hash = check_native_hash(header, block)
    body_bytes = list_payload_bytes(int(block["size"], 16)) - len(header.native_rlp(block)) + _MISSING_IN_SIZE
    return build_block(header, consensus, native_hash=native_hash, body_bytes=body_bytes)


class Producer(BlockMaker[SealedBlock]):
    """Makes one BFT chain's blocks, one at a time."""

    def __init__(self, *, validators: Validators, all_seals: bool, **parts: Any) -> None:
        super().__init__(**parts)
        self._validators = validators
        self._all_seals = all_seals

    async def run(self, block_time_s: float) -> None:
        """Make a block every `block_time_s`, without catching up on what a busy machine missed, until cancelled."""
        due = time.monotonic() + block_time_s
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not self._faults.is_on(Stall):
                await self.mine()
            due = max(due + block_time_s, time.monotonic())

    def _advance(self, block: SealedBlock) -> None:
        self._validators.advance(block)

    async def _make(self, balances: Mapping[bytes, int]) -> tuple[SealedBlock, bool]:
        parent = self._ledger.head
        number = parent.number + 1
        rounds = self._faults.take(Rounds) if self._faults else None
        round_number = 0 if rounds is None else rounds.round
        proposer = self._validators.proposer(number, parent.proposer, round_number)
        # Equal seconds are allowed and make sub-second blocks possible; a chain must never run ahead of the wall clock.
        timestamp = max(math.floor(time.time()), parent.timestamp)
        executed = await self._execute(number, timestamp, proposer, balances)
        consensus = Consensus(
            kind=self._validators.kind,
            validators=self._validators.at(number),
            vote=self._validators.vote_for(proposer),
            round=round_number,
        )
        block = seal_native(executed.block, parent.hash, consensus)
        self._native.keep(number, executed.raw)
        sealed = seal(
            block, self._validators.accounts, len(consensus.validators) if self._all_seals else None
        )
        return sealed, executed.has_logs
