# SPDX-License-Identifier: MIT
"""What Prometheus is told."""

from __future__ import annotations

from relayer.metrics import Metrics


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
