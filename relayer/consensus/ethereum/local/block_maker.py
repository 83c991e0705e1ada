# SPDX-License-Identifier: MIT
"""The clock of a local Ethereum chain: slots pass, and most of them get a block."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from light_clients.ethereum.config import ForkName, Slot
from relayer.consensus.ethereum.local.execution_block import ExecutionBlock, read_execution_block
from relayer.consensus.ethereum.local.faults import LowParticipation, MissedSlots, WithheldFinality
from relayer.consensus.ethereum.local.payload import MAX_WITHDRAWALS, payload_of_block
from relayer.consensus.ethereum.local.simulation import Simulation
from relayer.devnet.chain.block_maker import BlockMaker, Executed
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.errors import DevnetError, ExecutionError
from relayer.devnet.process.upstream import Upstream
from relayer.devnet.state.faults import Stall

#: MAX_WITHDRAWALS_PER_PAYLOAD of the minimal preset.
_MAX_WITHDRAWALS_MINIMAL: Final = 4
_NOTHING: Final[Mapping[bytes, int]] = {}


async def read_genesis(upstream: Upstream) -> tuple[ExecutionBlock, Mapping[str, Any]]:
    """Return anvil's block 0, and its JSON. Its state root is wrong: trust begins at block 1."""
    block = await upstream.call("eth_getBlockByNumber", "0x0", False)  # noqa: FBT003  JSON-RPC has no names
    return read_execution_block(block, None, Slot(0)), block


def max_withdrawals(preset: str) -> int:
    """Return how many withdrawals a payload may hold, which shapes the tree of none."""
    return _MAX_WITHDRAWALS_MINIMAL if preset == "minimal" else MAX_WITHDRAWALS


class EthereumBlockMaker(BlockMaker[ExecutionBlock]):
    """Makes one Ethereum chain's blocks.

    Args:
        parts: of the chain.
        simulation: the beacon chain.
        beneficiary: who gets the fees of all blocks, 20 bytes.

    Attributes:
        slot: the newest one that passed, with a block or without.
    """

    def __init__(self, parts: ChainParts[ExecutionBlock], simulation: Simulation, beneficiary: bytes) -> None:
        super().__init__(parts)
        self._beacon = simulation
        self._beneficiary = beneficiary
        self._is_clocked = False
        self._slot = Slot(0)
        self.slot = Slot(0)

    @property
    def clock_slot(self) -> Slot:
        """The slot that the wall clock is in."""
        config = self._beacon.config
        return Slot(max(0, int((time.time() - config.genesis_time) * 1000)) // config.slot_duration_ms)

    async def run(self, block_time_s: float) -> None:  # noqa: ARG002  the network's slots say
        """Let slots pass as the clock has them, until cancelled.

        What a busy machine missed stays missed but for `_catch_up`.
        """
        self._is_clocked = True
        while True:
            await self._wait_until(Slot(max(self.slot, self.clock_slot) + 1))
            async with self._lock:
                slot = self.clock_slot
                # Too early, or somebody mined meanwhile.
                if slot <= self.slot:
                    continue
                if not self._parts.faults.is_on(Stall):
                    await self._catch_up(slot)
                    await self._pass(slot)
                else:
                    self.slot = slot

    async def mine(self, balances: Mapping[bytes, int] | None = None) -> ExecutionBlock:
        """Make the block of the next slot, also where slots are to be missed; a running clock is waited for.

        Raises:
            DevnetError: on demand, that slot lies in the future.
            ExecutionError: as `BlockMaker.mine`.
        """
        async with self._lock:
            slot = Slot(self.slot + 1)
            if self._is_clocked:
                while self.clock_slot < slot:
                    await self._wait_until(slot)
                slot = self.clock_slot
            return await self._mine_at(slot, balances or _NOTHING)

    async def mine_at(self, slot: Slot) -> ExecutionBlock:
        """Make the block of a slot; those before it that have not passed are missed.

        Raises:
            DevnetError: the slot has passed already, or lies in the future.
        """
        async with self._lock:
            return await self._mine_at(slot, _NOTHING)

    async def advance(self, slots: int) -> ExecutionBlock:
        """Let slots pass, with a block in all that no fault takes away; return the head. As `mine_at`."""
        async with self._lock:
            for _ in range(slots):
                await self._pass(Slot(self.slot + 1))
        return self._parts.ledger.head

    async def _catch_up(self, slot: Slot) -> None:
        """After a pause of whole epochs, make the first block of every one, as a network that did not sleep.

        Without them a period could be left without an update, and no light client could ever follow again.
        """
        length = self._beacon.config.preset.slots_per_epoch
        for begin in range((self.slot // length + 1) * length, slot - length, length):
            await self._mine_at(Slot(begin), _NOTHING)

    async def _pass(self, slot: Slot) -> None:
        missed = next(
            (fault for fault in self._parts.faults.active().values() if isinstance(fault, MissedSlots)), None
        )
        if missed is not None and slot % missed.every == 0:
            self._parts.faults.take(MissedSlots)
            self._check_slot(slot)
            self.slot = slot
        else:
            await self._mine_at(slot, _NOTHING)

    async def _mine_at(self, slot: Slot, balances: Mapping[bytes, int]) -> ExecutionBlock:
        self._check_slot(slot)
        self._slot = slot
        return await self._mine(balances)

    def _check_slot(self, slot: Slot) -> None:
        if slot <= self.slot:
            raise DevnetError(f"slot {slot}, which has passed", f"one after {self.slot}")
        if slot > self.clock_slot:
            raise DevnetError(
                f"slot {slot}, which lies in the future",
                f"at most {self.clock_slot}, where the clock is",
                "Give a chain on demand a genesis further in the past (genesis_ago_s).",
            )

    async def _wait_until(self, slot: Slot) -> None:
        config = self._beacon.config
        begins = config.genesis_time + slot * config.slot_duration_ms / 1000
        # A timer may fire a little early, and the slot must have begun.
        await asyncio.sleep(max(0.0, begins - time.time()) + 0.0005)

    def _advance(self, block: ExecutionBlock) -> None:
        self.slot = block.slot
        for tag, beacon in (("safe", self._beacon.justified), ("finalized", self._beacon.finalized)):
            setattr(self._parts.ledger, tag, 0 if beacon.execution is None else beacon.execution.block_number)

    async def _make(self, balances: Mapping[bytes, int]) -> tuple[ExecutionBlock, bool]:
        beacon, parent, slot = self._beacon, self._parts.ledger.head, self._slot
        config = beacon.config
        number = parent.number + 1
        executed = await self._execute(number, config.timestamp_at(slot), self._beneficiary, balances)
        block = read_execution_block(executed.block, parent, slot)
        self._parts.anvil_blocks.keep(number, executed.raw)
        fork = config.fork_at_slot(slot).name
        transactions = await self._transactions(executed)
        payload = payload_of_block(executed.block, transactions, fork, max_withdrawals(config.preset.name))
        withheld = self._parts.faults.take(WithheldFinality) if self._parts.faults else None
        beacon.propose(
            slot,
            payload if fork >= ForkName.BELLATRIX else None,
            self._participation(slot),
            target_votes=1.0 if withheld is None else withheld.votes,
        )
        return block, executed.has_logs

    def _participation(self, slot: Slot) -> float | tuple[bool, ...]:
        fault = self._parts.faults.take(LowParticipation) if self._parts.faults else None
        if fault is None:
            return 1.0
        if not fault.absent:
            return fault.share
        members = self._beacon.keys.members(self._beacon.config.period_at(slot))
        return tuple(member not in fault.absent for member in members)

    async def _transactions(self, executed: Executed) -> list[bytes]:
        """Return the block's transactions as they were broadcast."""
        hashes = executed.block["transactions"]
        if not hashes:
            return []
        body = [
            {"jsonrpc": "2.0", "id": i, "method": "debug_getRawTransaction", "params": [tx_hash]}
            for i, tx_hash in enumerate(hashes)
        ]
        answers = msgspec.json.decode(await self._parts.anvil.upstream.send(msgspec.json.encode(body)))
        raw = {answer["id"]: answer.get("result") for answer in answers}
        if any(raw.get(i) is None for i in range(len(hashes))):
            raise ExecutionError("transactions of a block that anvil does not know", "their raw bytes")
        return [bytes.fromhex(raw[i][2:]) for i in range(len(hashes))]
