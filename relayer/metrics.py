# SPDX-License-Identifier: MIT
"""What Prometheus is told, and the three pages that tell it: /metrics, /healthz, /readyz.

Counters and histograms are moved by the pipeline as things happen. Gauges are read from memory at the moment of a scrape:
nothing is kept up to date for nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ChainSample:
    """One chain as it is at the moment of a scrape. Heights are block numbers, times seconds, balances wei."""

    name: str
    head_height: int
    verified_height: int
    scanned_height: int
    open_transactions: int
    balances: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LaneSample:
    """One lane as it is at the moment of a scrape."""

    name: str
    proven: int
    settled: int
    backlog: int
    oldest_s: float
    waiting: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClientSample:
    """A light client of `source` on `destination`, as last read."""

    source: str
    destination: str
    height: int
    age_s: float
    expires_in_s: float
    active: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything that gauges show."""

    chains: tuple[ChainSample, ...] = ()
    lanes: tuple[LaneSample, ...] = ()
    clients: tuple[ClientSample, ...] = ()


class Metrics:
    """The daemon's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        one = self.registry
        self._messages = Counter(
            "postroad_messages", "Messages by what happened to them.", ["lane", "step"], registry=one
        )
        self._batches = Counter(
            "postroad_batches", "Deliver transactions that were signed.", ["lane"], registry=one
        )
        self._gas = Counter(
            "postroad_gas_used", "Gas of included transactions.", ["chain", "purpose"], registry=one
        )
        self._fees = Counter(
            "postroad_fees_wei", "Wei paid for included transactions.", ["chain"], registry=one
        )
        self._wasted = Counter(
            "postroad_gas_wasted",
            "Gas of deliveries that moved nothing: reverted, or delivered before.",
            ["chain"],
            registry=one,
        )
        self._rpc_errors = Counter(
            "postroad_rpc_errors",
            "Failures of providers, by kind.",
            ["chain", "provider", "kind"],
            registry=one,
        )
        self._failures = Counter(
            "postroad_step_failures",
            "Steps that have to be done again, by the error's type.",
            ["chain", "error"],
            registry=one,
        )
        self._restarts = Counter(
            "postroad_task_restarts", "Tasks that ended and were started again.", ["task"], registry=one
        )
        self._seconds = Histogram(
            "postroad_step_seconds", "How long a step took.", ["step", "name"], buckets=_SECONDS, registry=one
        )

    # --- told by the pipeline ---

    def proven(self, lane: str, count: int) -> None:
        """Messages became proven."""
        self._messages.labels(lane, "proven").inc(count)

    def settled(self, lane: str, delivered: int, expired: int, failed: int) -> None:
        """Messages were confirmed, expired, or refused by their recipients."""
        for step, count in (("confirmed", delivered), ("expired", expired), ("failed", failed)):
            if count:
                self._messages.labels(lane, step).inc(count)

    def submitted(self, lane: str, count: int) -> None:
        """A batch of messages was signed and committed."""
        self._batches.labels(lane).inc()
        self._messages.labels(lane, "submitted").inc(count)

    def included(self, chain: str, purpose: str, gas_used: int, fee_wei: int, wasted_gas: int) -> None:
        """A transaction of ours is in a block."""
        self._gas.labels(chain, purpose).inc(gas_used)
        self._fees.labels(chain).inc(fee_wei)
        if wasted_gas:
            self._wasted.labels(chain).inc(wasted_gas)

    def rpc_failed(self, chain: str, provider: str, kind: str) -> None:
        """A provider failed."""
        self._rpc_errors.labels(chain, provider, kind).inc()

    def step_failed(self, chain: str, error: str) -> None:
        """A step has to be done again."""
        self._failures.labels(chain, error).inc()

    def step_took(self, step: str, name: str, seconds: float) -> None:
        """A step of a chain or a lane was done."""
        self._seconds.labels(step, name).observe(seconds)

    def restarted(self, task: str) -> None:
        """A task ended and is started again."""
        self._restarts.labels(task).inc()

    # --- read at a scrape ---

    def watch(self, sample: Callable[[], Sample]) -> None:
        """Read gauges from `sample` at every scrape."""
        self.registry.register(_Gauges(sample))

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self.registry)


class _Gauges(Collector):
    def __init__(self, sample: Callable[[], Sample]) -> None:
        self._sample = sample

    def describe(self) -> Iterable[Metric]:
        """Nothing: asking would take a sample before there is anything to sample."""
        return ()

    def collect(self) -> Iterable[Metric]:
        sample = self._sample()
        yield from _chain_gauges(sample.chains)
        yield from _lane_gauges(sample.lanes)
        yield from _client_gauges(sample.clients)


def _chain_gauges(chains: Iterable[ChainSample]) -> Iterable[Metric]:
    heights = GaugeMetricFamily("postroad_height", "Block numbers.", labels=["chain", "kind"])
    unsettled = GaugeMetricFamily("postroad_open_transactions", "Signed and not settled.", labels=["chain"])
    balances = GaugeMetricFamily(
        "postroad_balance_wei", "What the sending accounts hold.", labels=["chain", "account"]
    )
    for each in chains:
        for kind, height in (
            ("head", each.head_height),
            ("verified", each.verified_height),
            ("scanned", each.scanned_height),
        ):
            heights.add_metric([each.name, kind], height)
        unsettled.add_metric([each.name], each.open_transactions)
        for account, balance in each.balances.items():
            balances.add_metric([each.name, account], balance)
    return heights, unsettled, balances


def _lane_gauges(lanes: Iterable[LaneSample]) -> Iterable[Metric]:
    backlog = GaugeMetricFamily(
        "postroad_backlog_messages", "Proven, not confirmed or expired.", labels=["lane"]
    )
    oldest = GaugeMetricFamily(
        "postroad_oldest_message_seconds", "How long the oldest of them waits.", labels=["lane"]
    )
    proven = GaugeMetricFamily(
        "postroad_lane_proven", "Messages of the lane that are proven.", labels=["lane"]
    )
    settled = GaugeMetricFamily(
        "postroad_lane_settled", "Messages at its start that are final.", labels=["lane"]
    )
    waiting = GaugeMetricFamily(
        "postroad_waiting_messages", "Waiting messages by reason.", labels=["lane", "reason"]
    )
    for each in lanes:
        backlog.add_metric([each.name], each.backlog)
        oldest.add_metric([each.name], each.oldest_s)
        proven.add_metric([each.name], each.proven)
        settled.add_metric([each.name], each.settled)
        for reason, count in each.waiting.items():
            waiting.add_metric([each.name, reason], count)
    return backlog, oldest, proven, settled, waiting


def _client_gauges(clients: Iterable[ClientSample]) -> Iterable[Metric]:
    labels = ["source", "destination"]
    height = GaugeMetricFamily(
        "postroad_client_height", "The trusted height of a light client.", labels=labels
    )
    age = GaugeMetricFamily("postroad_client_age_seconds", "The age of its trusted header.", labels=labels)
    expiry = GaugeMetricFamily(
        "postroad_client_expires_in_seconds", "Time to its expiry; below 0 it is over.", labels=labels
    )
    active = GaugeMetricFamily("postroad_client_active", "1 unless it is expired or frozen.", labels=labels)
    for each in clients:
        names = [each.source, each.destination]
        height.add_metric(names, each.height)
        age.add_metric(names, each.age_s)
        expiry.add_metric(names, each.expires_in_s)
        active.add_metric(names, int(each.active))
    return height, age, expiry, active


class MetricsServer:
    """Serves the pages. `health` gives what is wrong with the process, `readiness` why it does not relay; None is well."""

    def __init__(
        self, metrics: Metrics, health: Callable[[], str | None], readiness: Callable[[], str | None]
    ) -> None:
        self._metrics = metrics
        self._health = health
        self._readiness = readiness
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError when the address can't be had."""
        app = web.Application()
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_get("/healthz", self._show_health)
        app.router.add_get("/readyz", self._show_readiness)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def close(self) -> None:
        """Stop listening; idempotent."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": _CONTENT_TYPE})

    async def _show_health(self, _: web.Request) -> web.Response:
        return _answer(self._health())

    async def _show_readiness(self, _: web.Request) -> web.Response:
        return _answer(self._readiness())


def _answer(trouble: str | None) -> web.Response:
    return web.Response(
        text="ok\n" if trouble is None else f"{trouble}\n", status=200 if trouble is None else 503
    )
