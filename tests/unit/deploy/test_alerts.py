# SPDX-License-Identifier: MIT
"""Alerts ask for metrics that there are, and each has a page that says what to do.

`make deploy-check` lets promtool play them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.promql import Selector, faults, grouped_by, selectors

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "deploy" / "alerts"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ALERTS / "postroad.rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_an_alert_asks_for_what_is_served(rule: dict[str, Any]) -> None:
    assert faults(rule["expr"]) == []


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_an_alert_says_how_urgent_it_is_and_where_to_read(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


def test_there_is_a_page_for_each_alert_and_no_other() -> None:
    pages = {page.stem: page.read_text() for page in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert pages.keys() == set(NAMES)
    for name, text in pages.items():
        titles = [line for line in text.splitlines() if line.startswith("#")]
        assert titles == [f"# {name}", "## Meaning", "## Check", "## Remedy"]


def test_each_alert_is_played() -> None:
    played = (ALERTS / "postroad.tests.yml").read_text()
    assert [name for name in NAMES if f'"{name}"' not in played] == []


def test_expressions_are_read_as_they_are_meant() -> None:
    expression = 'sum by (lane) (rate(postroad_messages_total{step="a b",lane=~"$lane"}[5m])) > 1e18 * up'
    assert selectors(expression) == [
        Selector("postroad_messages_total", frozenset({"step", "lane"})),
        Selector("up", frozenset()),
    ]
    assert grouped_by(expression) == {"lane"}
    assert faults(expression) == []
    assert faults("postroad_heigth") == ["no metric postroad_heigth"]
    assert faults("summ(up)") == ["no metric summ"]
    assert faults('postroad_ready{chain="a"}') == ["postroad_ready has no chain"]
    assert faults("sum by (step) (postroad_ready)") == ["no metric of it has step"]
    with pytest.raises(ValueError, match="no metric"):
        selectors("vector(1)")
