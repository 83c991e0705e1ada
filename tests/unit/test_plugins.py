# SPDX-License-Identifier: MIT
"""Entry points: what is offered is named without importing it, and what can't be used is told with
who offers it.
"""

from __future__ import annotations

import sys

import pytest

from relayer import plugins
from relayer.errors import ConfigError
from tests.support.plug_ins import PlugIn

GROUP = "postroad.tests"


def offer(plug_in: PlugIn, *points: tuple[str, str]) -> None:
    for name, value in points:
        plug_in(name, value, GROUP)


def test_names_are_those_of_the_group_in_order_and_import_nothing(
    plug_in: PlugIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    offer(plug_in, ("two", "this:s"), ("one", "this:d"), ("two", "this:s"))
    assert plugins.names(GROUP) == ("one", "two")
    assert "this" not in sys.modules
    assert plugins.names("postroad.nothing") == ()


def test_what_an_entry_point_names_is_loaded_once(plug_in: PlugIn) -> None:
    offer(plug_in, ("separator", "posixpath:sep"))
    assert plugins.load(GROUP, "separator") == "/"
    assert plugins.load(GROUP, "separator") is plugins.load(GROUP, "separator")


def test_a_distribution_that_is_listed_twice_is_one(plug_in: PlugIn) -> None:
    """As an editable install beside a built one is."""
    offer(plug_in, ("separator", "posixpath:sep"), ("separator", "posixpath:sep"))
    assert plugins.load(GROUP, "separator") == "/"


def test_a_name_that_nobody_offers_is_answered_with_those_that_are(plug_in: PlugIn) -> None:
    with pytest.raises(ConfigError, match="'two'") as caught:
        plugins.load(GROUP, "two")
    assert caught.value.expected == "one of none, for nothing is installed"
    offer(plug_in, ("one", "posixpath:sep"), ("other", "posixpath:sep"))
    with pytest.raises(ConfigError) as caught:
        plugins.load(GROUP, "two")
    assert caught.value.expected == "one of one, other"
    assert "install the distribution" in caught.value.advice


def test_a_name_that_two_distributions_offer_is_neithers(plug_in: PlugIn) -> None:
    offer(plug_in, ("separator", "posixpath:sep"), ("separator", "ntpath:sep"))
    with pytest.raises(ConfigError) as caught:
        plugins.load(GROUP, "separator")
    assert caught.value.found == "2 distributions that offer 'separator' (ntpath:sep, posixpath:sep)"
    assert caught.value.advice == "Uninstall the others."


@pytest.mark.parametrize("value", ["no_such_module:X", "posixpath:no_such_name"])
def test_what_cannot_be_imported_is_told_with_its_reason(plug_in: PlugIn, value: str) -> None:
    offer(plug_in, ("torn", value))
    assert plugins.names(GROUP) == ("torn",)
    with pytest.raises(ConfigError, match="no_such_") as caught:
        plugins.load(GROUP, "torn")
    assert value in caught.value.found
    assert "'torn'" in caught.value.found
    assert "uninstall it" in caught.value.advice


def test_the_kinds_that_ship_are_entry_points() -> None:
    assert plugins.names(plugins.CONSENSUS) == ("bft", "clique", "ethereum")
