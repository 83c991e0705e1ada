# SPDX-License-Identifier: MIT
"""Making blocks: anvil executes, we decide when and by whom, and seal what came out."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from relayer.devnet.errors import ExecutionError
from relayer.devnet.faults import Faults, Rounds, Stall
from relayer.devnet.gate import Gate
from relayer.devnet.header import (
    Consensus,
    Header,
    Kind,
    SealedBlock,
    build_block,
    check_native_hash,
    list_payload_bytes,
)
from relayer.devnet.ledger import Ledger
from relayer.devnet.native import NativeBlocks
from relayer.devnet.sealing import Validators, seal
from relayer.devnet.subscriptions import Publisher
from relayer.devnet.upstream import Upstream

# anvil's size leaves out the withdrawals, an empty list in every block that it makes.
_MISSING_IN_SIZE = 1
_NO_BLOOM = "0x" + "00" * 256


async def read_genesis(upstream: Upstream, kind: Kind, validators: tuple[bytes, ...]) -> SealedBlock:
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


class Producer:
    """Makes one chain's blocks, one at a time."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        upstream: Upstream,
        validators: Validators,
        native: NativeBlocks,
        publishers: Sequence[Publisher],
        faults: Faults,
        gate: Gate,
        all_seals: bool,
    ) -> None:
        self._ledger = ledger
        self._upstream = upstream
        self._validators = validators
        self._native = native
        self._publishers = publishers
        self._faults = faults
        self._gate = gate
        self._all_seals = all_seals
        self._lock = asyncio.Lock()
        self._grown = asyncio.Condition()

    async def run(self, block_time_s: float) -> None:
        """Make a block every `block_time_s`, without catching up on what a busy machine missed, until cancelled."""
        due = time.monotonic() + block_time_s
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not self._faults.is_on(Stall):
                await self.mine()
            due = max(due + block_time_s, time.monotonic())

    async def mine(self, balances: Mapping[bytes, int] | None = None) -> SealedBlock:
        """Make the next block now, of what waits in the pool. When this returns, subscribers have been told.

        Args:
            balances: in wei by address, set before. For block 1 only: anvil would show them in its parent's state too.

        Raises:
            ExecutionError: anvil is gone, or did something else than it was told.
        """
        async with self._lock:
            block, has_logs = await self._make(balances or {})
            self._validators.advance(block)
            self._ledger.append(block)
            for publisher in self._publishers:
                await publisher.publish(block, has_logs=has_logs)
        async with self._grown:
            self._grown.notify_all()
        return block

    async def wait_for(self, height: int) -> SealedBlock:
        """Wait until the chain has a block of this height, and return it."""
        async with self._grown:
            while (block := self._ledger.at(height)) is None:
                await self._grown.wait()
        return block

    async def _make(self, balances: Mapping[bytes, int]) -> tuple[SealedBlock, bool]:
        parent = self._ledger.head
        number = parent.number + 1
        rounds = self._faults.take(Rounds) if self._faults else None
        round_number = 0 if rounds is None else rounds.round
        proposer = self._validators.proposer(number, parent.proposer, round_number)
        # Equal seconds are allowed and make sub-second blocks possible; a chain must never run ahead of the wall clock.
        timestamp = max(math.floor(time.time()), parent.timestamp)
        await self._upstream.call("anvil_setCoinbase", "0x" + proposer.hex())
        await self._upstream.call("evm_setNextBlockTimestamp", timestamp)
        async with self._gate.writing():
            for address, balance_wei in balances.items():
                await self._upstream.call("anvil_setBalance", "0x" + address.hex(), hex(balance_wei))
            await self._upstream.call("evm_mine")
        raw = await self._upstream.call_raw("eth_getBlockByNumber", "latest", False)  # noqa: FBT003  as above
        native = msgspec.json.decode(raw)
        found = (int(native["number"], 16), int(native["timestamp"], 16), native["miner"].lower())
        wanted = (number, timestamp, "0x" + proposer.hex())
        if found != wanted:
            raise ExecutionError(
                f"block, time and proposer {found} from anvil",
                f"{wanted}",
                "Nobody but the front may make anvil mine.",
            )
        consensus = Consensus(
            kind=self._validators.kind,
            validators=self._validators.at(number),
            vote=self._validators.vote_for(proposer),
            round=round_number,
        )
        block = seal_native(native, parent.hash, consensus)
        self._native.keep(number, bytes(raw))
        sealed = seal(
            block, self._validators.accounts, len(consensus.validators) if self._all_seals else None
        )
        return sealed, native["logsBloom"] != _NO_BLOOM
