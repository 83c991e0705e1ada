# SPDX-License-Identifier: MIT
"""Making blocks, one at a time: what chains of every consensus share. anvil executes when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic

import msgspec

from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.errors import ExecutionError
from relayer.devnet.state.faults import Stall
from relayer.devnet.state.ledger import B

_NO_BLOOM: Final = "0x" + "00" * 256


@dataclass(frozen=True, slots=True)
class Executed:
    """A block that anvil just made: its JSON without transactions' bodies, decoded and raw."""

    block: Mapping[str, Any]
    raw: bytes

    @property
    def has_logs(self) -> bool:
        """Whether its bloom filter holds anything."""
        return bool(self.block["logsBloom"] != _NO_BLOOM)


class BlockMaker(ABC, Generic[B]):
    """Makes one chain's blocks."""

    def __init__(self, parts: ChainParts[B]) -> None:
        self._parts = parts
        self._lock = asyncio.Lock()
        self._grown = asyncio.Condition()
        self._made_at_s = time.monotonic()

    async def run(self, block_time_s: float) -> None:
        """Make a block every `block_time_s` when one is due; none for what a busy machine missed."""
        due = time.monotonic() + block_time_s
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not self._parts.faults.is_on(Stall) and await self.is_due():
                await self.mine()
            due = max(due + block_time_s, time.monotonic())

    @abstractmethod
    async def _make(self, balances: Mapping[bytes, int]) -> tuple[B, bool]:
        """Make the block after the head, and say whether it has logs."""

    @abstractmethod
    def _advance(self, block: B) -> None:
        """Count a block that was made."""

    async def mine(self, balances: Mapping[bytes, int] | None = None) -> B:
        """Make the next block now, of what waits in the pool. When this returns, subscribers have been told.

        Args:
            balances: in wei by address, set before. For block 1 only: anvil would show them in its parent's
                state too.

        Raises:
            ExecutionError: anvil is gone, or did something else than it was told.
        """
        async with self._lock:
            return await self._mine(balances or {})

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Make no block while the context is open, as on a machine that sleeps: time goes on meanwhile."""
        async with self._lock:
            yield

    async def is_due(self) -> bool:
        """Return whether a block is made when the block time has passed: for a kind's clock to ask.

        Always, unless the chain's rules leave out empty blocks.
        """
        period_s = self._parts.rules.empty_block_period_s
        if period_s is None or time.monotonic() - self._made_at_s >= period_s:
            return True
        return not await self._parts.pool.is_empty()

    async def wait_for(self, height: int) -> B:
        """Wait until the chain has a block of this height, and return it."""
        async with self._grown:
            while (block := self._parts.ledger.at(height)) is None:
                await self._grown.wait()
        return block

    async def _mine(self, balances: Mapping[bytes, int]) -> B:
        """`mine`, for whoever holds the lock."""
        block, has_logs = await self._make(balances)
        self._advance(block)
        self._made_at_s = time.monotonic()
        # The block is there before anybody is told, because subscribers ask for it at once.
        self._parts.ledger.append(block)
        for publisher in self._parts.publishers:
            await publisher.publish(block, has_logs=has_logs)
        async with self._grown:
            self._grown.notify_all()
        return block

    async def _execute(
        self, number: int, timestamp: int, beneficiary: bytes, balances: Mapping[bytes, int]
    ) -> Executed:
        """Let anvil make block `number` as told. Raises ExecutionError."""
        # Both are set before the execution, so that COINBASE and TIMESTAMP agree with the header (ADR 0003).
        await self._parts.anvil.upstream.call("anvil_setCoinbase", "0x" + beneficiary.hex())
        await self._parts.anvil.upstream.call("evm_setNextBlockTimestamp", timestamp)
        await self._parts.pool.offer_unpaid()
        async with self._parts.gate.writing():
            for address, balance_wei in balances.items():
                await self._parts.anvil.upstream.call(
                    "anvil_setBalance", "0x" + address.hex(), hex(balance_wei)
                )
            await self._parts.anvil.upstream.call("evm_mine")
        raw = await self._parts.anvil.upstream.call_raw("eth_getBlockByNumber", "latest", False)  # noqa: FBT003  JSON-RPC has no names
        native = msgspec.json.decode(raw)
        found = (int(native["number"], 16), int(native["timestamp"], 16), native["miner"].lower())
        wanted = (number, timestamp, "0x" + beneficiary.hex())
        if found != wanted:
            raise ExecutionError(
                f"block, time and proposer {found} from anvil",
                f"{wanted}",
                "Nobody but the front may make anvil mine.",
            )
        base_fee = self._parts.rules.base_fee_wei
        if base_fee is not None and int(native["baseFeePerGas"], 16) != base_fee:
            raise ExecutionError(f"a base fee of {native['baseFeePerGas']} from anvil", f"{base_fee}")
        return Executed(native, bytes(raw))
