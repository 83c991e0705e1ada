# SPDX-License-Identifier: MIT
from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conformance.registry import GROUP, by_folder, suites


def test_the_suites_of_this_package_are_found_and_its_other_modules_are_not() -> None:
    found = suites()
    assert {"bls", "mpt_rlp", "poa_headers"} <= found.keys()
    assert all(name == suite.FOLDER for name, suite in found.items())


def test_a_suite_of_an_installed_package_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "postroad_made.py").write_text(
        "from tests.conformance.case import Case\n"
        "FOLDER = 'made_headers'\n"
        "def cases(folder):\n"
        "    yield Case('made')\n"
    )
    information = tmp_path / "postroad_made-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: postroad-made\nVersion: 1\n")
    (information / "entry_points.txt").write_text(f"[{GROUP}]\nmade = postroad_made\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert [case.name for case in suites()["made_headers"].cases(tmp_path)] == ["made"]
    finally:
        sys.modules.pop("postroad_made", None)


def test_two_suites_for_one_folder_are_refused() -> None:
    first, second = ModuleType("first"), ModuleType("second")
    for module in (first, second):
        vars(module).update(FOLDER="bls", cases=lambda _: iter(()))
    with pytest.raises(ValueError, match="two suites for the folder bls, expected one: first and second"):
        by_folder([first, second])


def test_a_module_that_is_no_suite_is_refused() -> None:
    with pytest.raises(ValueError, match="plain without FOLDER or cases"):
        by_folder([ModuleType("plain")])
