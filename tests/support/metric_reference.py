# SPDX-License-Identifier: MIT
"""The metrics that docs/reference/metrics.md promises. A test compares them with those that are served."""

from __future__ import annotations

import re
from pathlib import Path

_REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def written_metrics() -> dict[str, set[str]]:
    """Return the labels of each metric by its name, as Prometheus stores it."""
    rows = re.findall(r"^\| `(postroad_\w+)` \| (.*?) \|", _REFERENCE.read_text(), re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
