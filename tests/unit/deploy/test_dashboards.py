# SPDX-License-Identifier: MIT
"""Dashboards are as their table has them, ask for metrics that there are, and together show all of them."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from tests.support.metric_reference import written_metrics
from tests.support.promql import faults, selectors
from tools.dashboards import DASHBOARDS, FOLDER, rendered

PAGES: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def queries(page: Any) -> list[str]:
    return [target["expr"] for panel in page["panels"] for target in panel["targets"]]


def test_the_files_are_as_the_table_has_them() -> None:
    """`make dashboards` writes them anew."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == rendered()
    assert PAGES.keys() == {dashboard.name for dashboard in DASHBOARDS}


@pytest.mark.parametrize("name", PAGES)
def test_a_dashboard_asks_for_what_is_served(name: str) -> None:
    assert {query: faults(query) for query in queries(PAGES[name]) if faults(query)} == {}
    variables = {variable["name"] for variable in PAGES[name]["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(PAGES[name]))) - {"__rate_interval", "__all"}
    assert used == variables


def test_every_metric_is_shown() -> None:
    shown = {
        re.sub(r"_bucket$", "", selector.metric)
        for page in PAGES.values()
        for query in queries(page)
        for selector in selectors(query)
    }
    assert written_metrics().keys() - shown == set()


def test_ids_are_unique_and_panels_have_a_title_and_a_place_of_their_own() -> None:
    assert len({page["uid"] for page in PAGES.values()}) == len(PAGES)
    for page in PAGES.values():
        panels = page["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        assert len({panel["title"] for panel in panels}) == len(panels)
        assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
        cells = [
            (x, y)
            for place in (panel["gridPos"] for panel in panels)
            for x, y in itertools.product(
                range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
            )
        ]
        assert len(set(cells)) == len(cells)
        assert all(x < 24 for x, _ in cells)
