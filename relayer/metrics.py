# SPDX-License-Identifier: MIT
"""What Prometheus is told. The pages that tell it are in relayer/api/operations.py.

The pipeline moves counters and histograms as things happen. Gauges are read at the moment of a scrape, from a
view of the relayer (relayer.views.gauges), so that nothing is kept up to date while nobody looks.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The daemon's metrics, in a registry of their own."""

    def __init__(self) -> None:
        # When a series was created helps nobody, and doubles the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        registry = self.registry
        ProcessCollector(registry=registry)
        Gauge("postroad_build_info", "What runs; always 1.", ["version", "python"], registry=registry).labels(
            version("postroad"), platform.python_version()
        ).set(1)
        self._messages = Counter(
            "postroad_messages", "Messages by what happened to them.", ["lane", "step"], registry=registry
        )
        self._batches = Counter(
            "postroad_batches", "Deliver transactions that were signed.", ["lane"], registry=registry
        )
        self._gas = Counter(
            "postroad_gas_used", "Gas of included transactions.", ["chain", "purpose"], registry=registry
        )
        self._fees = Counter(
            "postroad_fees_wei", "Wei paid for included transactions.", ["chain"], registry=registry
        )
        self._wasted = Counter(
            "postroad_gas_wasted",
            "Gas of deliveries that moved nothing: reverted, or delivered before.",
            ["chain"],
            registry=registry,
        )
        self._rpc_errors = Counter(
            "postroad_rpc_errors",
            "Failures of providers, by kind.",
            ["chain", "provider", "kind"],
            registry=registry,
        )
        self._failures = Counter(
            "postroad_step_failures",
            "Steps that have to be done again, by the error's type.",
            ["chain", "error"],
            registry=registry,
        )
        self._restarts = Counter(
            "postroad_task_restarts", "Tasks that ended and were started again.", ["task"], registry=registry
        )
        self._seconds = Histogram(
            "postroad_step_seconds",
            "How long a step took.",
            ["step", "name"],
            buckets=_SECONDS,
            registry=registry,
        )

    # --- told by the pipeline -------------------------------------------------------------------------------

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

    # --- read at a scrape -----------------------------------------------------------------------------------

    def watch(self, read: Callable[[], Iterable[Metric]]) -> None:
        """Call `read` at every scrape, and show what it gives beside the counters."""
        self.registry.register(_Gauges(read))

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self.registry)


class _Gauges(Collector):
    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Name nothing: naming the gauges would read them before there is anything to read."""
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._read()
