# SPDX-License-Identifier: MIT
"""A command loads no more than what it shows needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import relayer.views

HEAVY = ("aiohttp", "eth_account", "prometheus_client", "rich", "sqlalchemy", "structlog", "relayer.pipeline")


def test_views_bring_neither_chains_nor_a_journal_nor_a_pipeline() -> None:
    names = {path.stem for folder in relayer.views.__path__ for path in Path(folder).glob("*.py")}
    # Prometheus is what gauges are for.
    modules = sorted(f"relayer.views.{name}" for name in names - {"__init__", "gauges"})
    assert "relayer.views.relayer" in modules
    script = f"import sys, {', '.join(modules)}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
