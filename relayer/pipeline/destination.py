# SPDX-License-Identifier: MIT
"""What all deliveries to one chain share: its accounts, its block's gas, its time, the operator's spend
limit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from relayer.chains.base import Address, Chain
from relayer.errors import KeyUnavailable, Retryable
from relayer.journal.rows import Micros
from relayer.journal.store import Journal
from relayer.pipeline.chain_task import ChainTask
from relayer.pipeline.rules.batching import BatchLimits
from relayer.pipeline.rules.gas import MOST_TRANSACTION_GAS

#: How far a provider's newest block can be ahead of the newest verified one.
_AHEAD: Final = 8
_AHEAD_TRAILING: Final = 256
#: How old the block's gas limit, the balances and what was spent may be.
_REFRESH_S: Final = 15.0
#: A batch never crosses a page, which has so many messages.
_MOST_MESSAGES: Final = 256
#: Nodes refuse transactions of more than 128 KiB. Header, proof, leaves and the messages' fields take the
#: rest of it.
_MOST_BYTES: Final = 96 * 1024
#: The gas limit of a block until the chain was asked: every EVM chain has more.
_FIRST_BLOCK_GAS: Final = 8_000_000
#: A provider may tell too small a limit. This one still leaves room for a small batch.
_LEAST_BLOCK_GAS: Final = 1_000_000


class Destination:
    """One chain as the destination of lanes.

    Attributes:
        chain: the chain.
        sender: the transactions of its accounts.
    """

    def __init__(
        self,
        chain_task: ChainTask,
        journal: Journal,
        clock: Callable[[], Micros],
        *,
        max_gas_share: float,
        max_wait_ms: int,
        max_messages: int,
        max_spend_wei_per_day: int | None,
    ) -> None:
        self.chain: Chain = chain_task.chain
        self.sender = chain_task.sender
        self._chain_task = chain_task
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
    def account(self) -> Address:
        """An account that deliveries can be simulated from.

        Raises KeyUnavailable when the chain has no key.
        """
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
        """How large a batch may be, and how long it may wait."""
        most = min(int(self._block_gas * self._share), MOST_TRANSACTION_GAS)
        if self.sender.limits.most_gas is not None:
            most = min(most, self.sender.limits.most_gas)
        most_bytes = min(_MOST_BYTES, self.sender.limits.most_bytes)
        return BatchLimits(
            most_gas=most, most_bytes=most_bytes, most_messages=self._messages, max_wait_us=self._wait_us
        )

    @property
    def spend_limit_wei(self) -> int | None:
        """What the operator allows to be spent in 24 hours; None for no limit."""
        return self._spend_limit

    @property
    def spent_wei(self) -> int:
        """What the last 24 hours have cost when it was read last, open transactions with their maximum."""
        return self._spent

    @property
    def timestamp(self) -> int:
        """The chain's time in seconds, by its newest verified header."""
        return self._chain_task.verified_timestamp

    @property
    def newest_block(self) -> int:
        """The newest block that the chain tells of, as far as it can be true.

        A provider that invents a far one must not have a page wait for it.
        """
        newest = self._chain_task.watcher.newest
        verified = self._chain_task.verified_height
        ahead = _AHEAD_TRAILING if self._chain_task.prover.has_delayed_finality else _AHEAD
        return verified if newest is None else min(newest.number, verified + ahead)

    def wake(self) -> None:
        """Wake the chain's task: it uses the newest header again."""
        self._chain_task.wake()

    async def run(self) -> None:
        """Read what changes slowly, again and again until cancelled: see `refresh`."""
        while True:
            # The chain's task reports that the chain can't be asked. What was read last still serves.
            with contextlib.suppress(Retryable):
                await self.refresh()
            await asyncio.sleep(_REFRESH_S)

    async def refresh(self) -> None:
        """Read the block's gas limit, the balances and what was spent in 24 hours. Raises Retryable."""
        now = self._clock()
        self._spent = await self._journal.read(lambda reading: reading.spent_wei(self._chain_task.row, now))
        await self.sender.read_balances()
        head = await self.chain.head()
        block = await self.chain.block(head.number)
        limit = block.get("gasLimit")
        if isinstance(limit, str):
            # A provider that answers nonsense can only make batches small, or make simulations fail.
            with contextlib.suppress(ValueError):
                self._block_gas = max(int(limit, 16), _LEAST_BLOCK_GAS)
