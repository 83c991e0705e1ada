# SPDX-License-Identifier: MIT
"""The one JSON form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, IntEnum
from pathlib import Path

import msgspec
import pytest

from relayer.config import SecretUrl
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.views.encoding import joined, to_json, to_plain


class Colour(Enum):
    RED = "red"


class Number(IntEnum):
    TWO = 2


class Inner(msgspec.Struct, frozen=True):
    at_s: float = msgspec.field(name="at")
    data: bytes


class Outer(msgspec.Struct, frozen=True):
    inner: tuple[Inner, ...]
    colour: Colour
    nothing: None = None


@dataclass(frozen=True)
class Value:
    name: str
    raw: bytes


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (b"\x00\xff", "0x00ff"),
        (b"", "0x"),
        (bytearray(b"\x01"), "0x01"),
        (Colour.RED, "red"),
        (Number.TWO, 2),
        (Path("a/b"), "a/b"),
        ((1, b"\x02"), [1, "0x02"]),
        ({3, 1}, [1, 3]),
        ({Colour.RED: 1, "b": None}, {"red": 1, "b": None}),
        (Inner(1.5, b"\x03"), {"at": 1.5, "data": "0x03"}),
        (
            Outer((Inner(1.0, b""),), Colour.RED),
            {"inner": [{"at": 1.0, "data": "0x"}], "colour": "red", "nothing": None},
        ),
        (Value("n", b"\x04"), {"name": "n", "raw": "0x04"}),
        (Waiting(WaitingReason.PAUSED, "why"), {"reason": "paused", "detail": "why"}),
        (10**40, 10**40),
        ((SecretUrl("https://user:pw@node.example:8545/key?a=b"),), ["https://…@node.example:8545/…"]),
    ],
)
def test_whatever_is_inside_has_its_json_form(value: object, plain: object) -> None:
    assert to_plain(value) == plain
    assert json.loads(to_json(value)) == plain


@pytest.mark.parametrize("value", [object(), [object()], {1: 2}, {b"k": object()}, Outer])
def test_what_has_no_json_form_is_refused_and_never_shown_by_its_repr(value: object) -> None:
    with pytest.raises(TypeError, match="found"):
        to_json(value)


def test_numbers_that_json_has_not_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_json(float("nan"))


def test_several_views_are_joined_to_one_object_in_order() -> None:
    together = joined(Inner(1.0, b"\x01"), {"more": Colour.RED}, {"at": 2})
    assert together == {"at": 2, "data": "0x01", "more": "red"}
    assert list(together) == ["at", "data", "more"]
