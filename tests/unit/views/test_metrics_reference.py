# SPDX-License-Identifier: MIT
"""docs/reference/metrics.md has every metric with its labels, and no other."""

from __future__ import annotations

from relayer.metrics import Metrics
from relayer.views.gauges import gauges, process_gauges
from tests.support.metric_reference import written_metrics
from tests.unit.views.test_gauges import VIEW


def counted() -> Metrics:
    """Metrics of which each was told something."""
    metrics = Metrics()
    metrics.proven("a>b", 1)
    metrics.submitted("a>b", 1)
    metrics.included("a", "deliver", 1, 1, 1)
    metrics.rpc_failed("a", "node", "timeout")
    metrics.step_failed("a", "ChainUnavailable")
    metrics.step_took("prove", "a", 1.0)
    metrics.restarted("chain a")
    return metrics


def served() -> dict[str, set[str]]:
    """The labels of each metric that is served, by its name without `_total`."""
    process = process_gauges(is_ready=True, free_bytes=1)
    return {
        family.name: {label for sample in family.samples for label in sample.labels} - {"le"}
        for family in (*gauges(VIEW), *process, *counted().registry.collect())
        # The library's own, of the process, beside ours.
        if family.name.startswith("postroad_")
    }


def test_the_reference_has_every_metric_with_its_labels() -> None:
    written = {name.removesuffix("_total"): labels for name, labels in written_metrics().items()}
    assert written == served()
