# SPDX-License-Identifier: MIT
"""Write the Grafana dashboards into deploy/grafana/dashboards/. `make dashboards` runs this.

The tables below say what is shown; what a panel of Grafana needs besides is in `_panel`, once. The JSON is
committed, so that Grafana is provisioned without any step. A test compares it with this file.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER: Final = Path(__file__).resolve().parents[1] / "deploy" / "grafana" / "dashboards"

#: Grafana's grid has 24 columns.
_COLUMNS: Final = 24
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
#: Of the model that Grafana 11 writes. Newer ones read it.
_SCHEMA_VERSION: Final = 39
#: Amounts are shown in 10^18 wei, as the configuration has them.
_COIN: Final = "1e18"
_INTERVAL: Final = "$__rate_interval"


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        title: what is shown, with its unit.
        queries: PromQL by the legend of its series.
        unit: Grafana's name of the unit.
        kind: `timeseries`, or `stat` for the newest number alone.
        width: in columns of 24.
        steps: colours from a value on, for `stat`; the first one is the base.
    """

    title: str
    queries: Mapping[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    steps: tuple[tuple[float | None, str], ...] = ((None, "text"),)


@dataclass(frozen=True)
class Dashboard:
    """One page; `variables` are the labels that its head chooses from, with the metric that has them."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


_BAD_BELOW_1: Final = ((None, "red"), (1, "green"))
_BAD_ABOVE_0: Final = ((None, "green"), (1, "red"))

DASHBOARDS: Final = (
    Dashboard(
        "overview",
        "Postroad: overview",
        (
            Panel("Ready (1 is yes)", {"": "min(postroad_ready)"}, "none", "stat", 4, _BAD_BELOW_1),
            Panel(
                "Alerts that fire",
                {"": 'count(ALERTS{alertstate="firing"}) or vector(0)'},
                "none",
                "stat",
                4,
                _BAD_ABOVE_0,
            ),
            Panel("Messages that wait", {"": "sum(postroad_backlog_messages)"}, "short", "stat", 4),
            Panel("Oldest message", {"": "max(postroad_oldest_message_seconds)"}, "s", "stat", 4),
            Panel(
                "Fewest deliveries left",
                {"": "min(postroad_deliveries_left)"},
                "short",
                "stat",
                4,
                ((None, "red"), (20, "green")),
            ),
            Panel(
                "Free on the journal's disk",
                {"": "min(postroad_journal_free_bytes)"},
                "bytes",
                "stat",
                4,
                ((None, "red"), (2**30, "green")),
            ),
            Panel(
                "Messages by step, per second",
                {"{{step}}": f"sum by (step) (rate(postroad_messages_total[{_INTERVAL}]))"},
                "mps",
            ),
            Panel(
                "Waiting messages by reason", {"{{reason}}": "sum by (reason) (postroad_waiting_messages)"}
            ),
            Panel(
                "Time until a light client expires",
                {"{{source}} on {{destination}}": "postroad_client_expires_in_seconds"},
                "s",
            ),
            Panel(
                "Active light clients (1 is yes)",
                {"{{source}} on {{destination}}": "postroad_client_active"},
                "none",
            ),
            Panel(
                "Failed steps, per second",
                {
                    "{{chain}}: {{error}}": "sum by (chain, error)"
                    f" (rate(postroad_step_failures_total[{_INTERVAL}]))"
                },
                "ops",
            ),
            Panel(
                "Restarts of tasks, per hour",
                {"{{task}}": "increase(postroad_task_restarts_total[1h])"},
                "none",
            ),
            Panel(
                "What runs (always 1)",
                {"{{version}} on Python {{python}}": "postroad_build_info"},
                "none",
            ),
        ),
    ),
    Dashboard(
        "lane",
        "Postroad: lane",
        (
            Panel("Backlog, messages", {"{{lane}}": 'postroad_backlog_messages{lane=~"$lane"}'}),
            Panel("Oldest message", {"{{lane}}": 'postroad_oldest_message_seconds{lane=~"$lane"}'}, "s"),
            Panel(
                "Messages by step, per second",
                {"{{lane}}: {{step}}": f'rate(postroad_messages_total{{lane=~"$lane"}}[{_INTERVAL}])'},
                "mps",
            ),
            Panel(
                "Waiting messages by reason",
                {"{{lane}}: {{reason}}": 'postroad_waiting_messages{lane=~"$lane"}'},
            ),
            Panel(
                "Messages since the lane began",
                {
                    "{{lane}}: proven": 'postroad_lane_proven{lane=~"$lane"}',
                    "{{lane}}: settled": 'postroad_lane_settled{lane=~"$lane"}',
                },
            ),
            Panel(
                "Messages in a delivery, mean",
                {
                    "{{lane}}": 'sum by (lane) (rate(postroad_messages_total{lane=~"$lane",step="submitted"}'
                    f"[{_INTERVAL}]))"
                    f' / sum by (lane) (rate(postroad_batches_total{{lane=~"$lane"}}[{_INTERVAL}]))'
                },
            ),
            Panel(
                "Time of a lane's steps, 95 %",
                {
                    "{{name}}: {{step}}": "histogram_quantile(0.95, sum by (le, step, name)"
                    f' (rate(postroad_step_seconds_bucket{{name=~"$lane"}}[{_INTERVAL}])))'
                },
                "s",
                width=24,
            ),
        ),
        {"lane": "postroad_lane_proven"},
    ),
    Dashboard(
        "chain",
        "Postroad: chain and providers",
        (
            Panel("Heights, blocks", {"{{chain}}: {{kind}}": 'postroad_height{chain=~"$chain"}'}, "none"),
            Panel(
                "Blocks from the head to the verified height",
                {
                    "{{chain}}": 'postroad_height{chain=~"$chain",kind="head"}'
                    ' - ignoring (kind) postroad_height{chain=~"$chain",kind="verified"}'
                },
                "none",
            ),
            Panel(
                "Errors of providers, per second",
                {
                    "{{chain}}: {{provider}}: {{kind}}": 'rate(postroad_rpc_errors_total{chain=~"$chain"}'
                    f"[{_INTERVAL}])"
                },
                "ops",
            ),
            Panel(
                "Failed steps, per second",
                {
                    "{{chain}}: {{error}}": 'rate(postroad_step_failures_total{chain=~"$chain"}'
                    f"[{_INTERVAL}])"
                },
                "ops",
            ),
            Panel("Open transactions", {"{{chain}}": 'postroad_open_transactions{chain=~"$chain"}'}),
            Panel(
                "Time of a chain's steps, 95 %",
                {
                    "{{name}}: {{step}}": "histogram_quantile(0.95, sum by (le, step, name)"
                    f' (rate(postroad_step_seconds_bucket{{name=~"$chain"}}[{_INTERVAL}])))'
                },
                "s",
            ),
            Panel(
                "Light clients on the chain, trusted height",
                {"{{source}} on {{destination}}": 'postroad_client_height{destination=~"$chain"}'},
                "none",
            ),
            Panel(
                "Light clients on the chain, age of the trusted header",
                {"{{source}} on {{destination}}": 'postroad_client_age_seconds{destination=~"$chain"}'},
                "s",
            ),
        ),
        {"chain": "postroad_height"},
    ),
    Dashboard(
        "economy",
        "Postroad: relayer economy",
        (
            Panel(
                "Balances, 10¹⁸ wei",
                {"{{chain}}: {{account}}": f'postroad_balance_wei{{chain=~"$chain"}} / {_COIN}'},
                "none",
            ),
            Panel("Deliveries left", {"{{chain}}: {{account}}": 'postroad_deliveries_left{chain=~"$chain"}'}),
            Panel(
                "Spent and reserved in 24 hours, 10¹⁸ wei",
                {
                    "{{chain}}": f'postroad_spent_wei{{chain=~"$chain"}} / {_COIN}',
                    "{{chain}}: limit": f'postroad_spend_limit_wei{{chain=~"$chain"}} / {_COIN}',
                },
                "none",
            ),
            Panel(
                "Fees, 10¹⁸ wei per hour",
                {"{{chain}}": f'increase(postroad_fees_wei_total{{chain=~"$chain"}}[1h]) / {_COIN}'},
                "none",
            ),
            Panel(
                "Gas by purpose, per second",
                {"{{chain}}: {{purpose}}": f'rate(postroad_gas_used_total{{chain=~"$chain"}}[{_INTERVAL}])'},
            ),
            Panel(
                "Wasted gas, share of 6 hours",
                {
                    "{{chain}}": 'sum by (chain) (increase(postroad_gas_wasted_total{chain=~"$chain"}[6h]))'
                    ' / sum by (chain) (increase(postroad_gas_used_total{chain=~"$chain"}[6h]))'
                },
                "percentunit",
            ),
        ),
        {"chain": "postroad_height"},
    ),
)


def main() -> int:
    """Write every dashboard; return 0."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in rendered().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def rendered() -> dict[str, str]:
    """Return every dashboard's file as it should be, by its name."""
    return {
        f"{dashboard.name}.json": json.dumps(_page(dashboard), indent=2, ensure_ascii=False) + "\n"
        for dashboard in DASHBOARDS
    }


def _page(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "uid": f"postroad-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["postroad"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [{"type": "dashboards", "title": "Postroad", "tags": ["postroad"], "asDropdown": True}],
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
                *(_variable(label, metric) for label, metric in dashboard.variables.items()),
            ]
        },
        "panels": list(_placed(dashboard.panels)),
    }


def _variable(label: str, metric: str) -> dict[str, Any]:
    return {
        "name": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": f"label_values({metric}, {label})",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _placed(panels: tuple[Panel, ...]) -> Iterator[dict[str, Any]]:
    """Give the panels from left to right, row by row."""
    x = y = height = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > _COLUMNS:
            x, y = 0, y + height
        height = 4 if panel.kind == "stat" else 8
        yield _panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": height})
        x += panel.width


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    steps = [{"value": value, "color": colour} for value, colour in panel.steps]
    options: dict[str, Any] = {"legend": {"displayMode": "list", "placement": "bottom"}}
    if panel.kind == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
    return {
        "id": number,
        "title": panel.title,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
