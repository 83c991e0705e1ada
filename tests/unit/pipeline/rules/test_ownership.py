# SPDX-License-Identifier: MIT
"""A page and a lane are changed by their own methods alone: no other module of the product assigns a field of
theirs, deletes from one or calls what changes a collection.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.page import PageState

ROOT = Path(__file__).resolve().parents[4]
OWNERS = {ROOT / "relayer" / "pipeline" / "rules" / f"{name}.py" for name in ("lane", "page")}
FIELDS = {field.name for owner in (PageState, LaneProgress) for field in fields(owner)}
MUTATING = {
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"),
    *("add", "discard", "update", "difference_update", "intersection_update"),
    *("popitem", "setdefault"),
}
#: Not a page and not a lane: an object's own fields, and what names say to be something else.
OTHERS = {"self", "transaction", "result"}


def changes(source: str) -> Iterator[str]:
    """Yield the places of a module that change a field with the name of a page's or a lane's."""
    for node in ast.walk(ast.parse(source)):
        for target in _targets(node):
            if _is_field(target):
                yield f"{target.lineno}: {ast.unparse(target)}"


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            for target in targets:
                yield from target.elts if isinstance(target, ast.Tuple | ast.List) else (target,)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            yield target
        case ast.Call(func=ast.Attribute(value=target, attr=method)) if method in MUTATING:
            yield target


def _is_field(target: ast.expr) -> bool:
    while isinstance(target, ast.Subscript | ast.Starred):
        target = target.value
    if not isinstance(target, ast.Attribute) or target.attr not in FIELDS:
        return False
    return not (isinstance(target.value, ast.Name) and target.value.id in OTHERS)


def test_nobody_else_changes_a_page_or_a_lane() -> None:
    modules = [path for path in (ROOT / "relayer").rglob("*.py") if path not in OWNERS]
    assert len(modules) > 200
    found = [
        f"{path.relative_to(ROOT)}:{place}"
        for path in modules
        if "LaneProgress" in path.read_text() or "PageState" in path.read_text() or "pipeline" in path.parts
        for place in changes(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "page.delivered |= 1",
        "page.proof, page.proof_is_stale = proof, False",
        "lane.progress.pages[3] = page",
        "del lane.progress.pages[3]",
        "progress.candidates.append(sent)",
        "lane.progress.audits.discard(3)",
        "self.progress.pages[3].carried &= ~mask",
        "page.waits[3]: int = wait",
    ],
)
def test_a_change_is_noticed(source: str) -> None:
    assert len(list(changes(source))) >= 1


def test_what_only_reads_is_not() -> None:
    assert (
        list(changes("a = page.delivered | 1\nself.pages = {}\nb = [*lane.candidates]\npage.carry(1)")) == []
    )
