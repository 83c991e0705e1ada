# SPDX-License-Identifier: MIT
"""The pages for machines that watch the relayer."""

from __future__ import annotations

import pytest

from tests.support.api import StillRelayer, serving

pytestmark = pytest.mark.network


async def test_the_pages_tell_health_and_readiness_apart(relayer: StillRelayer) -> None:
    async with serving(relayer) as client:

        async def get(page: str) -> tuple[int, str]:
            told = await client.ask(f"/{page}")
            return told.status, told.text

        relayer.unready = "starting"
        assert await get("healthz") == (200, "ok\n")
        assert await get("readyz") == (503, "starting\n")
        relayer.unready, relayer.trouble = None, "the journal is gone"
        assert await get("readyz") == (200, "ok\n")
        # What one chain lacks is shown, and the others are served.
        relayer.remarked.append("port: funds: an empty account")
        assert await get("readyz") == (200, "ok\nport: funds: an empty account\n")
        assert await get("healthz") == (503, "the journal is gone\n")
        told = await client.ask("/metrics")
        assert told.status == 200
        assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "# TYPE postroad_messages_total counter" in told.text
        # Queries of scrapers are nobody's mistake.
        assert (await client.ask("/metrics?name=up")).status == 200
