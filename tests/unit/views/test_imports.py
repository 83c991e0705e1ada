# SPDX-License-Identifier: MIT
"""A command loads no more than what it shows needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "eth_account", "prometheus_client", "rich", "sqlalchemy", "structlog", "relayer.pipeline")


@pytest.mark.parametrize(
    "module",
    [
        "account",
        "chain",
        "client",
        "delivery",
        "encoding",
        "endpoint",
        "finding",
        "lane",
        "local_chain",
        "message",
        "pending",
        "plan",
        "policy",
        "provider",
        "relayer",
        "story",
        "transaction",
    ],
)
def test_a_view_brings_neither_chains_nor_a_journal_nor_a_pipeline(module: str) -> None:
    script = f"import relayer.views.{module}, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
