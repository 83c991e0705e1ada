# SPDX-License-Identifier: MIT
"""What Prometheus is told, and how the pages answer."""

from __future__ import annotations

import aiohttp
import pytest

from relayer.devnet.process.ports import free_port
from relayer.metrics import Metrics, MetricsServer


def test_counters_move_as_things_happen() -> None:
    metrics = Metrics()
    metrics.proven("l", 5)
    metrics.submitted("l", 4)
    metrics.settled("l", 3, 1, 1)
    metrics.settled("l", 0, 0, 0)
    metrics.included("court", "deliver", 1_000, 7, 0)
    metrics.included("court", "deliver", 500, 7, 500)
    metrics.rpc_failed("court", "node:8545", "invalid")
    metrics.step_failed("court", "ChainUnavailable")
    metrics.restarted("lane l")
    metrics.step_took("submit", "l", 0.02)
    text = metrics.text().decode()
    for line in (
        'postroad_messages_total{lane="l",step="proven"} 5.0',
        'postroad_messages_total{lane="l",step="submitted"} 4.0',
        'postroad_messages_total{lane="l",step="confirmed"} 3.0',
        'postroad_messages_total{lane="l",step="expired"} 1.0',
        'postroad_messages_total{lane="l",step="failed"} 1.0',
        'postroad_batches_total{lane="l"} 1.0',
        'postroad_gas_used_total{chain="court",purpose="deliver"} 1500.0',
        'postroad_gas_wasted_total{chain="court"} 500.0',
        'postroad_fees_wei_total{chain="court"} 14.0',
        'postroad_rpc_errors_total{chain="court",kind="invalid",provider="node:8545"} 1.0',
        'postroad_step_failures_total{chain="court",error="ChainUnavailable"} 1.0',
        'postroad_task_restarts_total{task="lane l"} 1.0',
        'postroad_step_seconds_count{name="l",step="submit"} 1.0',
        'postroad_build_info{python="',
    ):
        assert line in text
    assert "_created" not in text


@pytest.mark.network
async def test_the_pages_tell_health_and_readiness_apart() -> None:
    troubles: dict[str, str | None] = {"health": None, "readiness": "starting"}
    port = free_port()
    remarks: list[str] = []
    server = MetricsServer(
        Metrics(), lambda: troubles["health"], lambda: troubles["readiness"], lambda: remarks
    )
    await server.start("127.0.0.1", port)
    try:
        async with aiohttp.ClientSession() as session:

            async def get(page: str) -> tuple[int, str]:
                async with session.get(f"http://127.0.0.1:{port}/{page}") as answer:
                    return answer.status, await answer.text()

            assert await get("healthz") == (200, "ok\n")
            assert await get("readyz") == (503, "starting\n")
            troubles["readiness"], troubles["health"] = None, "the journal is gone"
            assert await get("readyz") == (200, "ok\n")
            # What one chain lacks is shown, and the others are served.
            remarks.append("port: funds: an empty account")
            assert await get("readyz") == (200, "ok\nport: funds: an empty account\n")
            assert await get("healthz") == (503, "the journal is gone\n")
            status, text = await get("metrics")
            assert status == 200
            assert "# TYPE postroad_messages_total counter" in text
    finally:
        await server.close()
        await server.close()
