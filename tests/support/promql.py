# SPDX-License-Identifier: MIT
"""As much of PromQL as tells which metrics and labels an expression names.

`promtool` judges whether an expression is right; this needs no program, and knows which metrics there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.support.metric_reference import written_metrics

_WORDS = frozenset(
    [
        "absent",
        "and",
        "by",
        "changes",
        "count",
        "histogram_quantile",
        "ignoring",
        "increase",
        "max",
        "min",
        "min_over_time",
        "on",
        "or",
        "rate",
        "sum",
        "unless",
        "vector",
        "without",
    ]
)
#: What Prometheus adds to everything that it scrapes, and its own metrics.
_ADDED = {"job", "instance"}
_FOREIGN = {"up": set[str](), "ALERTS": {"alertname", "alertstate", "severity"}}


@dataclass(frozen=True)
class Selector:
    """A metric that an expression names, and the labels that it selects by."""

    metric: str
    labels: frozenset[str]


def selectors(expression: str) -> list[Selector]:
    """Return every selector of an expression. Raises ValueError for a word that is none."""
    text = re.sub(r"\[[^]]*\]|\b\d+(?:\.\d+)?(?:e\d+)?\b", " ", _without_strings(expression))
    text = re.sub(r"\b(?:by|on|ignoring|without)\s*\([^)]*\)", " ", text)
    found = [
        Selector(metric, frozenset(re.findall(r"(\w+)\s*=?[=~!]", matchers)))
        for metric, matchers in re.findall(r"([A-Za-z_:]\w*)\s*(?:\{([^}]*)\})?", text)
        if metric not in _WORDS
    ]
    if not found:
        raise ValueError(f"found no metric in {expression!r}")
    return found


def grouped_by(expression: str) -> set[str]:
    """Return the labels that an expression keeps, drops or matches by."""
    lists = re.findall(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)", _without_strings(expression))
    return {label for text in lists for label in re.findall(r"\w+", text)}


def faults(expression: str) -> list[str]:
    """Return what an expression names that no relayer serves: metrics, and labels of them."""
    known = {name: labels | _ADDED for name, labels in {**_served(), **_FOREIGN}.items()}
    wrong, labels = [], set[str]()
    for selector in selectors(expression):
        if selector.metric not in known:
            wrong.append(f"no metric {selector.metric}")
            continue
        labels |= known[selector.metric]
        wrong += [f"{selector.metric} has no {label}" for label in selector.labels - known[selector.metric]]
    return wrong + [f"no metric of it has {label}" for label in grouped_by(expression) - labels]


def _served() -> dict[str, set[str]]:
    metrics = written_metrics()
    parts = {
        f"{name}_{part}": labels | ({"le"} if part == "bucket" else set())
        for name, labels in metrics.items()
        if name.endswith("_step_seconds")
        for part in ("bucket", "count", "sum")
    }
    return metrics | parts


def _without_strings(expression: str) -> str:
    return re.sub(r"\"[^\"]*\"|'[^']*'", '""', expression)
