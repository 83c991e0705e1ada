# SPDX-License-Identifier: MIT
"""What deliveries to one chain share: its accounts, its block's gas, its time, and the operator's spend limit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from relayer.chains.base import Address, Chain
from relayer.errors import InsufficientFunds, KeyUnavailable, Retryable
from relayer.journal.rows import Micros
from relayer.journal.store import Journal
from relayer.pipeline.chain_task import ChainTask
from relayer.pipeline.gas import MOST_TRANSACTION_GAS
from relayer.pipeline.plan import BatchLimits

_DAY = 86_400_000_000
_REFRESH_S = 15.0
_MOST_MESSAGES = 256
#: Nodes refuse transactions of more than 128 KiB; header, proof, leaves and terms need their part of it.
_MOST_BYTES = 96 * 1024
#: Until the chain tells: what every EVM chain has at least.
_FIRST_BLOCK_GAS = 8_000_000
_LEAST_BLOCK_GAS = 1_000_000


class Destination:
    """One chain as the destination of lanes."""

    def __init__(
        self,
        worker: ChainTask,
        journal: Journal,
        clock: Callable[[], Micros],
        *,
        max_gas_share: float,
        max_wait_ms: int,
        max_messages: int,
        max_spend_wei_per_day: int | None,
    ) -> None:
        self.chain: Chain = worker.chain
        self.tracker = worker.tracker
        self.balances: dict[Address, int] = {}
        self._worker = worker
        self._journal = journal
        self._clock = clock
        self._share = max_gas_share
        self._wait_us = max_wait_ms * 1_000
        self._messages = min(max_messages, _MOST_MESSAGES)
        self._spend_limit = max_spend_wei_per_day
        self._spent = 0
        self._block_gas = _FIRST_BLOCK_GAS

    @property
    def name(self) -> str:
        """The chain's name."""
        return self.chain.name

    @property
    def sender(self) -> Address:
        """An account that deliveries can be simulated from. Raises KeyUnavailable when the chain has no key."""
        senders = self.chain.senders
        if not senders:
            raise KeyUnavailable(
                f"no signing key for {self.chain.name}",
                "at least one",
                "Add one to the chain's keys: `postroad keys new`, and give it funds for gas",
            )
        return senders[0]

    @property
    def limits(self) -> BatchLimits:
        """What one batch may be."""
        most = min(int(self._block_gas * self._share), MOST_TRANSACTION_GAS)
        return BatchLimits(
            most_gas=most, most_bytes=_MOST_BYTES, most_messages=self._messages, max_wait_us=self._wait_us
        )

    @property
    def spend_limit_wei(self) -> int | None:
        """What the operator allows to be spent in 24 hours; None for no limit."""
        return self._spend_limit

    @property
    def spent_wei(self) -> int | None:
        """What the last 24 hours have cost when it was read last; None where no limit asks for it."""
        return None if self._spend_limit is None else self._spent

    @property
    def timestamp(self) -> int:
        """The chain's time in seconds, by its newest verified header."""
        return self._worker.verified_timestamp

    @property
    def newest_block(self) -> int:
        """The newest block that the chain tells of, verified or not."""
        newest = self._worker.watcher.newest
        return 0 if newest is None else newest.number

    def nudge(self) -> None:
        """Have its newest header looked at again."""
        self._worker.nudge()

    def check_spending(self) -> None:
        """Raise InsufficientFunds when the operator's limit for 24 hours is reached.

        Open transactions count with the most that they can cost; the one that reaches the limit may go over it.
        """
        if self._spend_limit is not None and self._spent >= self._spend_limit:
            raise InsufficientFunds(
                f"{self._spent} wei spent on {self.chain.name} in 24 hours",
                f"less than max_spend_ether_per_day = {self._spend_limit} wei",
                "Raise the limit, or wait until older transactions are a day old",
            )

    async def run(self) -> None:
        """Read what changes slowly, until cancelled: the block's gas limit, balances, what was spent."""
        while True:
            # The chain's worker tells of trouble; what was read last still serves.
            with contextlib.suppress(Retryable):
                await self.refresh()
            await asyncio.sleep(_REFRESH_S)

    async def refresh(self) -> None:
        """Read them once. Raises Retryable."""
        if self._spend_limit is not None:
            since = Micros(self._clock() - _DAY)
            self._spent = await self._journal.read(lambda reading: reading.spent_wei(self._worker.row, since))
        head = await self.chain.head()
        block = await self.chain.block(head.number)
        limit = block.get("gasLimit")
        if isinstance(limit, str):
            # A provider that says nonsense can only make batches small, or make simulations fail.
            with contextlib.suppress(ValueError):
                self._block_gas = max(int(limit, 16), _LEAST_BLOCK_GAS)
        self.balances = {sender: await self.chain.balance(sender) for sender in self.chain.senders}
