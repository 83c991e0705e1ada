# SPDX-License-Identifier: MIT
"""The pipeline as a whole: chains, clients and lanes wired together, run, observed, drained."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from relayer.chains.base import Chain
from relayer.consensus.base import Prover
from relayer.errors import ConfigError, Retryable
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
from relayer.pipeline.chain_commit import InLane, OutLane
from relayer.pipeline.chain_task import ChainTask
from relayer.pipeline.client_task import LightClientTask
from relayer.pipeline.destination import Destination
from relayer.pipeline.lane_state import LaneProgress
from relayer.pipeline.lane_task import LaneTask
from relayer.pipeline.lane_waiting import Reasons
from relayer.pipeline.page_window import PageWindow, open_lane
from relayer.pipeline.supervise import Supervisor
from relayer.pipeline.transactions import TransactionTracker
from relayer.protocol.lane import Lane
from relayer.protocol.message import EndpointId

_OFFER_PAUSE_S = 1.0
#: What hangs for longer while the process ends is given up; nothing unjournalled was broadcast.
_DRAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class ServedChain:
    """A chain to be served: how to talk to it, why to believe it, and where its logs begin to be of interest."""

    chain: Chain
    prover: Prover
    first_height: int
    max_spend_wei_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class ServedLane:
    """A lane to be served, by the names of its chains."""

    source: str
    destination: str
    channel: bytes
    flags: int = 0


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How messages are put together (relayer.config.BatchConfig says what each means)."""

    max_gas_share: float = 0.5
    max_wait_ms: int = 1_000
    max_messages: int = 256


class Pipeline:
    """Everything between the journal and the chains. Build it with `open`, `run` it, `drain` it."""

    def __init__(self, journal: Journal, metrics: Metrics, clock: Callable[[], Micros]) -> None:
        self.journal = journal
        self.metrics = metrics
        self.reasons = Reasons(journal, clock)
        self.workers: dict[str, ChainTask] = {}
        self.destinations: dict[str, Destination] = {}
        self.keepers: dict[tuple[str, str], LightClientTask] = {}
        self.lanes: list[LaneTask] = []
        self.supervisor = Supervisor(metrics)
        self._shelves: dict[LaneRow, PageWindow] = {}
        self._clock = clock
        self._log = structlog.get_logger()
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
    ) -> Pipeline:
        """Take up every chain and lane where the journal left it. Nothing is asked of a chain yet.

        Raises:
            ConfigError: a lane names a chain that is not served.
        """
        pipeline = cls(journal, metrics, clock)
        rows = await journal.commit(lambda writing: _register(writing, chains, lanes, clock()))
        stored = await journal.read(lambda reading: _read_all(reading, rows))
        for name, served in chains.items():
            pipeline._add_chain(name, served, stored.chains[rows.chains[name]], batch)
            live, carried = await journal.read(partial(_read_live, row=rows.chains[name]))
            pipeline.workers[name].tracker.recover(live, carried)
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
        tracker = TransactionTracker(served.chain, stored.row, self.journal, self._clock)
        worker = ChainTask(
            served.chain,
            served.prover,
            stored,
            tracker,
            self.journal,
            self.reasons,
            self.metrics,
            self._clock,
        )
        self.workers[name] = worker
        self.destinations[name] = Destination(
            worker,
            self.journal,
            self._clock,
            max_gas_share=batch.max_gas_share,
            max_wait_ms=batch.max_wait_ms,
            max_messages=batch.max_messages,
            max_spend_wei_per_day=served.max_spend_wei_per_day,
        )

    async def _add_lane(self, lane: ServedLane, stored: StoredLane) -> None:
        source, destination = self.workers[lane.source], self.workers[lane.destination]
        book = LaneProgress(
            row=stored.row,
            lane=stored.lane,
            source=lane.source,
            destination=lane.destination,
            proven=stored.proven,
            proven_head=stored.proven_head,
            proven_block=stored.proven_block,
            settled=stored.settled,
        )
        shelf = PageWindow(book, self.journal, destination.tracker)
        await open_lane(book, shelf, self.journal, self._clock())
        pair = (lane.source, lane.destination)
        if pair not in self.keepers:
            self.keepers[pair] = LightClientTask(source, self.destinations[lane.destination], self.metrics)
            source.on_header.append(self.keepers[pair].notice)
        keeper = self.keepers[pair]
        submitter = LaneTask(
            book,
            self.destinations[lane.destination],
            keeper,
            shelf,
            self.journal,
            self.reasons,
            self.metrics,
            self._clock,
        )
        keeper.wake_lanes.append(submitter.wake)
        keeper.anchoring.counts.append(submitter.count_ready)
        source.out_lanes.append(OutLane(book, submitter.wake, lambda: keeper.oldest_height))
        destination.in_lanes.append(InLane(book, submitter.wake, submitter.learn))
        self._shelves[stored.row] = shelf
        self.lanes.append(submitter)

    # --- running ---

    def start(self) -> None:
        """Start every task under the supervisor."""
        for name, worker in self.workers.items():
            self.supervisor.start(f"heads of {name}", worker.watcher.run)
            self.supervisor.start(f"chain {name}", worker.run)
            self.supervisor.start(f"account of {name}", self.destinations[name].run)
            if worker.prover.witnesses > 1:
                self.supervisor.start(f"witness of {name}", worker.witness)
            if worker.tracker.live:
                self.supervisor.start(f"restart of {name}", partial(self._offer, worker))
        for (source, destination), keeper in self.keepers.items():
            self.supervisor.start(f"client of {source} on {destination}", keeper.run)
        for lane in self.lanes:
            self.supervisor.start(f"lane {lane.book.name}", lane.run)

    async def _offer(self, worker: ChainTask) -> None:
        """Broadcast what an earlier process signed, at once: it may never have been."""
        while True:
            try:
                await worker.tracker.offer_recovered()
                break
            except Retryable as error:
                self._log.warning(
                    "rebroadcast failed, it is done again", chain=worker.chain.name, error=str(error)
                )
                await asyncio.sleep(_OFFER_PAUSE_S)
        await asyncio.get_running_loop().create_future()

    async def drain(self) -> None:
        """Finish what is between a signature and its commit, start nothing new, stop every task. Idempotent."""
        if self._drained:
            return
        self._drained = True
        await asyncio.gather(*(lane.drain(_DRAIN_S) for lane in self.lanes))
        await self.supervisor.stop()
        for worker in self.workers.values():
            await worker.close()
        await asyncio.gather(*(worker.tracker.finish_critical(_DRAIN_S) for worker in self.workers.values()))


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
    return live, reading.batches_of(each.row for each in live)


def _read_all(reading: Reading, rows: _Rows) -> _Stored:
    served = set(rows.chains.values())
    return _Stored(
        {each.row: each for each in reading.chains() if each.row in served},
        {each.row: each for each in reading.lanes() if each.row in set(rows.lanes)},
    )
