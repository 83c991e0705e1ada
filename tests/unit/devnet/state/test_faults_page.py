# SPDX-License-Identifier: MIT
"""docs/reference/devnet-faults.md has each fault with its fields and choices, and none besides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from relayer.consensus.bft.local.faults import BFT_FAULTS
from relayer.consensus.clique.local.faults import CLIQUE_FAULTS
from relayer.consensus.ethereum.local.faults import ETHEREUM_FAULTS
from relayer.devnet.chain.admin_methods import common_admin_methods
from relayer.devnet.state.faults import COMMON_FAULTS, Fault, Faults

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "devnet-faults.md"

SECTIONS = {
    "Of every kind": COMMON_FAULTS,
    "Of `bft`": BFT_FAULTS - COMMON_FAULTS,
    "Of `clique`": CLIQUE_FAULTS - COMMON_FAULTS,
    "Of `ethereum`": ETHEREUM_FAULTS - COMMON_FAULTS,
}


def section(heading: str) -> str:
    (found,) = re.findall(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    return str(found)


def rows(heading: str) -> dict[str, tuple[str, set[str], str]]:
    """By a fault's name: its class, its fields, and what is said of it."""
    found = {}
    for line in section(heading).splitlines():
        if line.startswith("| `") and "| class |" not in line:
            name, class_name, fields, text = (cell.strip() for cell in line.strip("|").split("|"))
            found[name.strip("`")] = (class_name.strip("`"), set(re.findall(r"`(\w+)`", fields)), text)
    return found


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_page_has_each_fault_with_its_fields_and_no_other(heading: str) -> None:
    expected = {
        str(fault.__struct_config__.tag): (fault.__name__, set(fault.__struct_fields__) - {"times"})
        for fault in SECTIONS[heading]
    }
    found = rows(heading)
    assert {name: (row[0], row[1]) for name, row in found.items()} == expected
    for fault in SECTIONS[heading]:
        for choice in choices(fault):
            assert f"`{choice}`" in found[str(fault.__struct_config__.tag)][2]


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_page_says_where_the_classes_are(heading: str) -> None:
    assert {f"`{fault.__module__}`" for fault in SECTIONS[heading]} <= set(
        re.findall(r"`[\w.]+`", section(heading))
    )


def test_the_page_has_each_method_of_the_admin_rpc_that_is_about_faults() -> None:
    class Chain:
        faults = Faults(COMMON_FAULTS)

        async def drop_transactions(self) -> None: ...

    methods = {name for name in common_admin_methods(Chain()) if "fault" in name.lower()}  # type: ignore[arg-type]
    assert set(re.findall(r"^\| `(postroad_\w+)`", PAGE.read_text(), re.MULTILINE)) == methods


def choices(fault: type[Fault]) -> set[str]:
    hints = get_type_hints(fault).values()
    return {choice for hint in hints if get_origin(hint) is Literal for choice in get_args(hint)}
