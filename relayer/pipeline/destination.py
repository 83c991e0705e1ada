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
from relayer.errors import InsufficientFunds, KeyUnavailable, Retryable
from relayer.journal.rows import Micros
from relayer.journal.store import Journal
from relayer.pipeline.chain_task import ChainTask
from relayer.pipeline.rules.batching import BatchLimits
from relayer.pipeline.rules.gas import MOST_TRANSACTION_GAS

#: In microseconds.
_DAY: Final = 86_400_000_000
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
        tracker: the transactions of its accounts.
        balances: what the accounts had when they were read last, in wei.
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
        self.tracker = chain_task.tracker
        self.balances: dict[Address, int] = {}
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
    def sender(self) -> Address:
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
        return self._chain_task.verified_timestamp

    @property
    def newest_block(self) -> int:
        """The newest block that the chain tells of, verified or not."""
        newest = self._chain_task.watcher.newest
        return 0 if newest is None else newest.number

    def wake(self) -> None:
        """Wake the chain's task: it uses the newest header again."""
        self._chain_task.wake()

    def check_spending(self) -> None:
        """Raise InsufficientFunds when the operator's limit for 24 hours is reached.

        An open transaction counts with the most that it can cost. Those signed since the last `refresh` do
        not count yet, so that they may exceed the limit.
        """
        if self._spend_limit is not None and self._spent >= self._spend_limit:
            raise InsufficientFunds(
                f"{self._spent} wei spent on {self.chain.name} in 24 hours",
                f"less than max_spend_ether_per_day = {self._spend_limit} wei",
                "Raise the limit, or wait until older transactions are a day old",
            )

    async def run(self) -> None:
        """Read what changes slowly, again and again until cancelled: see `refresh`."""
        while True:
            # The chain's task reports that the chain can't be asked. What was read last still serves.
            with contextlib.suppress(Retryable):
                await self.refresh()
            await asyncio.sleep(_REFRESH_S)

    async def refresh(self) -> None:
        """Read the block's gas limit, the balances and what was spent in 24 hours. Raises Retryable."""
        if self._spend_limit is not None:
            since = Micros(self._clock() - _DAY)
            self._spent = await self._journal.read(
                lambda reading: reading.spent_wei(self._chain_task.row, since)
            )
        head = await self.chain.head()
        block = await self.chain.block(head.number)
        limit = block.get("gasLimit")
        if isinstance(limit, str):
            # A provider that answers nonsense can only make batches small, or make simulations fail.
            with contextlib.suppress(ValueError):
                self._block_gas = max(int(limit, 16), _LEAST_BLOCK_GAS)
        self.balances = {sender: await self.chain.balance(sender) for sender in self.chain.senders}
