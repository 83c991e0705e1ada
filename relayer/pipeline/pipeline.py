# SPDX-License-Identifier: MIT
"""The pipeline as a whole: it makes the tasks of chains, clients and lanes, joins them, runs and
drains them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from relayer.chains.base import Address, Chain
from relayer.consensus.base import ProvenAccount, Prover
from relayer.errors import ConfigError, NotFoundYet
from relayer.journal.reading import Reading
from relayer.journal.rows import (
    ChainRow,
    LaneRow,
    Micros,
    StoredBatch,
    StoredChain,
    StoredLane,
    StoredTransaction,
)
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from relayer.metrics import Metrics
from relayer.pipeline.chain_commit import IncomingLane, OutgoingLane
from relayer.pipeline.chain_task import ChainTask
from relayer.pipeline.client_task import LightClientTask
from relayer.pipeline.destination import Destination
from relayer.pipeline.lane_task import LaneTask
from relayer.pipeline.lane_waiting import LaneWaiting
from relayer.pipeline.page_window import PageWindow, open_lane
from relayer.pipeline.rules.instant import Ticks
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.story import outcome_steps
from relayer.pipeline.services import Services, now_ticks
from relayer.pipeline.supervise import Supervisor
from relayer.pipeline.witness import compare_providers
from relayer.protocol.lane import Lane
from relayer.protocol.message import EndpointId
from relayer.sending.price import PricePolicy
from relayer.sending.sender import Sender
from relayer.sending.store import JournalStore

#: While the process ends, what hangs for longer is cancelled: nothing unjournalled was broadcast.
DRAIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class ServedChain:
    """A chain to serve.

    Attributes:
        chain: talks to it.
        prover: our light client of it.
        first_height: the block of the first logs that matter, where the journal does not know the chain yet.
        prices: the operator's limits for gas.
        max_spend_wei_per_day: the operator's limit for 24 hours; None for none.
    """

    chain: Chain
    prover: Prover
    first_height: int
    prices: PricePolicy
    max_spend_wei_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class ServedLane:
    """A lane to serve, by the names of its chains."""

    source: str
    destination: str
    channel: bytes
    flags: int = 0


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How messages are put together. relayer.config.BatchConfig explains the fields."""

    max_gas_share: float = 0.5
    max_wait_ms: int = 1_000
    max_messages: int = 256


class Pipeline:
    """All tasks of a relayer.

    The caller makes it with `open`, starts it with `start`, and ends it with `drain`.

    Attributes:
        services: what every task needs.
        chain_tasks: the tasks of chains, by name.
        destinations: the chains as destinations, by name.
        client_tasks: the tasks of light clients, by the names of source and destination.
        lane_tasks: the tasks of lanes, in the order of `open`'s lanes.
        supervisor: runs the tasks; its `failure` ends the daemon.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
        self.chain_tasks: dict[str, ChainTask] = {}
        self.destinations: dict[str, Destination] = {}
        self.client_tasks: dict[tuple[str, str], LightClientTask] = {}
        self.lane_tasks: list[LaneTask] = []
        self.supervisor = Supervisor(services.metrics)
        self._drained = False

    @classmethod
    async def open(
        cls,
        journal: Journal,
        chains: Mapping[str, ServedChain],
        lanes: Sequence[ServedLane],
        *,
        batch: BatchSettings,
        metrics: Metrics,
        clock: Callable[[], Micros],
        monotonic: Callable[[], Ticks] = now_ticks,
    ) -> Pipeline:
        """Take up all chains and lanes where the journal left them. Nothing is asked of a chain yet.

        `clock` is the wall's, `monotonic` one that nobody sets; both in microseconds.

        Raises:
            ConfigError: a lane names a chain that is not served, or a chain's trusted state is of another
                consensus.
            JournalUnreadable: proven messages are missing in the journal.
        """
        services = Services(journal, LaneWaiting(journal, clock), metrics, clock, monotonic)
        pipeline = cls(services)
        rows = await journal.commit(lambda writing: _register(writing, chains, lanes, clock()))
        stored = await journal.read(lambda reading: _read_all(reading, rows))
        for name, served in chains.items():
            pipeline._add_chain(name, served, stored.chains[rows.chains[name]], batch)
            # Before the lanes, whose pages ask the sender which of their messages are under way.
            live, carried = await journal.read(partial(_read_live, row=rows.chains[name]))
            # Nobody judges the bitmaps of a lane that is not served any more: its deliveries are followed as
            # transactions alone.
            batches = [batch for batch in carried if batch.lane in rows.lanes]
            pipeline.chain_tasks[name].sender.recover(live, batches)
        for row, lane in zip(rows.lanes, lanes, strict=True):
            await pipeline._add_lane(lane, stored.lanes[row])
        return pipeline

    def _add_chain(self, name: str, served: ServedChain, stored: StoredChain, batch: BatchSettings) -> None:
        if stored.trusted_state is not None:
            try:
                served.prover.import_state(stored.trusted_state)
            except ValueError as error:
                raise ConfigError(
                    f"{name}: {error}",
                    "the trusted state that this consensus keeps",
                    "Correct the chain's consensus",
                ) from error
        store = JournalStore(
            self.services.journal,
            stored.row,
            self.services.clock,
            served.max_spend_wei_per_day,
            outcome_steps,
        )

        async def prove(address: Address) -> ProvenAccount | None:
            header = self.chain_tasks[name].header
            if header is None:
                raise NotFoundYet(f"no header of {name} is verified yet", "one to prove accounts at")
            return await served.prover.prove_account(header, address)

        sender = Sender(
            served.chain,
            store,
            served.prices,
            self.services.clock,
            prove=prove,
            proves_now=not served.prover.has_delayed_finality,
        )
        chain_task = ChainTask(
            served.chain,
            served.prover,
            stored,
            sender,
            self.services,
        )
        self.chain_tasks[name] = chain_task
        self.destinations[name] = Destination(
            chain_task,
            self.services.journal,
            self.services.clock,
            max_gas_share=batch.max_gas_share,
            max_wait_ms=batch.max_wait_ms,
            max_messages=batch.max_messages,
            max_spend_wei_per_day=served.max_spend_wei_per_day,
        )

    async def _add_lane(self, lane: ServedLane, stored: StoredLane) -> None:
        source, destination = self.chain_tasks[lane.source], self.chain_tasks[lane.destination]
        progress = LaneProgress(
            row=stored.row,
            lane=stored.lane,
            source=lane.source,
            destination=lane.destination,
            proven=stored.proven,
            proven_head=stored.proven_head,
            proven_block=stored.proven_block,
            settled=stored.settled,
        )
        window = PageWindow(progress, self.services, destination.sender)
        await open_lane(progress, window, self.services)
        pair = (lane.source, lane.destination)
        if pair not in self.client_tasks:
            self.client_tasks[pair] = LightClientTask(source, self.destinations[lane.destination])
            source.listeners.append(self.client_tasks[pair])
            destination.guests.append(self.client_tasks[pair])
        client_task = self.client_tasks[pair]
        lane_task = LaneTask(
            progress,
            self.destinations[lane.destination],
            client_task,
            window,
            self.services,
        )
        client_task.lanes.append(lane_task)
        source.out_lanes.append(OutgoingLane(progress, lane_task))
        destination.in_lanes.append(IncomingLane(progress, lane_task))
        self.lane_tasks.append(lane_task)

    # --- running --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all tasks under the supervisor."""
        for name, chain_task in self.chain_tasks.items():
            self.supervisor.start(f"heads of {name}", chain_task.watcher.run)
            self.supervisor.start(f"chain {name}", chain_task.run)
            self.supervisor.start(f"account of {name}", self.destinations[name].run)
            if chain_task.prover.provider_count > 1:
                self.supervisor.start(f"witness of {name}", partial(compare_providers, chain_task))
            self.supervisor.start(f"sender of {name}", chain_task.sender.run)
        for (source, destination), client_task in self.client_tasks.items():
            self.supervisor.start(f"client of {source} on {destination}", client_task.run)
        for lane_task in self.lane_tasks:
            self.supervisor.start(f"lane {lane_task.progress.name}", lane_task.run)

    async def drain(self) -> None:
        """Start nothing new, finish what is between a signature and its commit, stop all tasks.

        A second call does nothing.
        """
        if self._drained:
            return
        self._drained = True
        # The lanes first, so that nothing new is signed. Cancelling the tasks leaves what is between a
        # signature and its commit running, so that is waited for last.
        await asyncio.gather(*(lane_task.drain(DRAIN_S) for lane_task in self.lane_tasks))
        await self.supervisor.stop()
        for chain_task in self.chain_tasks.values():
            await chain_task.close()
        await asyncio.gather(
            *(chain_task.sender.finish_critical(DRAIN_S) for chain_task in self.chain_tasks.values())
        )


@dataclass(frozen=True, slots=True)
class _Rows:
    chains: dict[str, ChainRow]
    lanes: tuple[LaneRow, ...]


@dataclass(frozen=True, slots=True)
class _Stored:
    chains: dict[ChainRow, StoredChain]
    lanes: dict[LaneRow, StoredLane]


def _register(
    writing: Writing, chains: Mapping[str, ServedChain], lanes: Sequence[ServedLane], now: Micros
) -> _Rows:
    rows = {
        name: writing.put_chain(
            served.chain.endpoint_id, name, scanned_height=max(0, served.first_height - 1), at=now
        )
        for name, served in chains.items()
    }
    lane_rows = []
    for lane in lanes:
        for name in (lane.source, lane.destination):
            if name not in rows:
                raise ConfigError(f"a lane of {name}", f"one of {', '.join(rows)}", "Configure the chain")
        described = Lane(
            EndpointId(chains[lane.source].chain.endpoint_id),
            EndpointId(chains[lane.destination].chain.endpoint_id),
            lane.channel,
            lane.flags,
        )
        lane_rows.append(writing.put_lane(described, rows[lane.source], rows[lane.destination]))
    return _Rows(rows, tuple(lane_rows))


def _read_live(
    reading: Reading, row: ChainRow
) -> tuple[tuple[StoredTransaction, ...], tuple[StoredBatch, ...]]:
    live = reading.live_transactions(row)
    return live, reading.batches_of(transaction.row for transaction in live)


def _read_all(reading: Reading, rows: _Rows) -> _Stored:
    served = set(rows.chains.values())
    return _Stored(
        {chain.row: chain for chain in reading.chains() if chain.row in served},
        {lane.row: lane for lane in reading.lanes() if lane.row in set(rows.lanes)},
    )
