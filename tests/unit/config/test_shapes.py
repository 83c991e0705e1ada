# SPDX-License-Identifier: MIT
"""How tables nest: found in the types that they are decoded to, whoever's types they are."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest

from relayer.config import SecretUrl
from relayer.config.shapes import Shape, Steps, choices_at, is_secret, shapes_of, types_at


class Leaf(msgspec.Struct):
    """The innermost table."""

    word: Literal["one", "other"] = "one"
    urls: tuple[SecretUrl, ...] = ()


class Tree(msgspec.Struct):
    """A table with every way to nest."""

    number: int
    url: SecretUrl
    one: Leaf
    perhaps: Leaf | None = None
    either: Literal["short", "long"] | Leaf = "short"
    named: dict[str, Leaf] = {}
    several: Annotated[tuple[Leaf, ...], msgspec.Meta(min_length=1)] = (Leaf(),)
    plain: dict[str, int] = {}
    numbers: tuple[int, ...] = ()
    _hidden: int = 0


def test_every_key_is_told_with_how_it_nests() -> None:
    assert shapes_of(Tree) == {
        "number": Shape("plain"),
        "url": Shape("plain"),
        "one": Shape("one", Leaf),
        "perhaps": Shape("one", Leaf),
        "either": Shape("one", Leaf),
        "named": Shape("named", Leaf),
        "several": Shape("list", Leaf),
        "plain": Shape("plain"),
        "numbers": Shape("plain"),
    }


@pytest.mark.parametrize(
    ("key", "value", "nested"),
    [
        ("one", {"word": "one"}, [((), {"word": "one"})]),
        ("named", {"a": {"word": "one"}, "b": 5}, [(("a",), {"word": "one"}), (("b",), 5)]),
        ("several", [{}, {"word": "x"}], [((0,), {}), ((1,), {"word": "x"})]),
        ("number", 7, []),
        # What stands there need not be what was meant.
        ("named", [{}], []),
        ("several", {"word": "one"}, []),
    ],
)
def test_the_tables_in_a_value_are_found_with_the_steps_to_them(
    key: str, value: object, nested: list[tuple[Steps, object]]
) -> None:
    assert list(shapes_of(Tree)[key].nested(value)) == nested


@pytest.mark.parametrize(
    ("path", "choices"),
    [
        (("one", "word"), ["one", "other"]),
        (("perhaps", "word"), ["one", "other"]),
        (("named", "anything", "word"), ["one", "other"]),
        (("several", 3, "word"), ["one", "other"]),
        (("either",), ["a table", "long", "short"]),
        (("number",), []),
        (("nothing", "word"), []),
        (("number", "word"), []),
    ],
)
def test_what_may_stand_at_a_path_is_listed(path: Steps, choices: list[str]) -> None:
    assert sorted(choices_at(Tree, path)) == choices


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (("url",), True),
        (("one", "urls"), True),
        (("one", "urls", 0), True),
        (("either", "urls", 1), True),
        (("named", "a", "urls", 0), True),
        (("several", 2, "urls", 0), True),
        (("number",), False),
        (("one", "word"), False),
        (("no", "such", "path"), False),
        ((), False),
    ],
)
def test_a_value_that_may_hold_credentials_is_known_by_its_type(path: Steps, secret: bool) -> None:
    assert is_secret(Tree, path) is secret


def test_a_path_that_no_type_has_leads_nowhere() -> None:
    assert len(types_at(Tree, ())) == 1
    assert types_at(Tree, ("number", 0)) == ()
    assert types_at(Tree, ("numbers", 0)) != ()
