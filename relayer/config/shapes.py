# SPDX-License-Identifier: MIT
"""How tables nest in one another, asked of the types that they are decoded to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import inspect

from relayer.config.secret_url import SecretUrl

Steps: TypeAlias = tuple[str | int, ...]
"""Where a value stands: keys of tables and indices of lists, from the top."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a key nests: it holds one table, a list of tables, tables by name, or a plain value,
    which has no `struct`.
    """

    nesting: Literal["one", "list", "named", "plain"]
    struct: type[msgspec.Struct] | None = None

    def nested(self, value: object) -> Iterator[tuple[Steps, object]]:
        """The tables in a value of this shape, each with the steps that lead to it."""
        if self.nesting == "one":
            yield (), value
        elif self.nesting == "named" and isinstance(value, dict):
            for name, table in value.items():
                yield (name,), table
        elif self.nesting == "list" and isinstance(value, list):
            for index, table in enumerate(value):
                yield (index,), table


def shapes_of(struct: type[msgspec.Struct]) -> dict[str, Shape]:
    """Return how each key of a table nests."""
    return {
        field.name: _shape(inspect.type_info(field.type))
        for field in msgspec.structs.fields(struct)
        if not field.name.startswith("_")
    }


def _shape(kind: inspect.Type) -> Shape:
    if isinstance(kind, inspect.UnionType):
        shapes = [_shape(member) for member in kind.types]
        return next((shape for shape in shapes if shape.struct is not None), Shape("plain"))
    if isinstance(kind, inspect.StructType):
        return Shape("one", kind.cls)
    if isinstance(kind, inspect.DictType) and isinstance(kind.value_type, inspect.StructType):
        return Shape("named", kind.value_type.cls)
    if isinstance(kind, inspect.VarTupleType) and isinstance(kind.item_type, inspect.StructType):
        return Shape("list", kind.item_type.cls)
    return Shape("plain")


def types_at(struct: type[msgspec.Struct], path: Steps) -> tuple[inspect.Type, ...]:
    """Return the types that a value may have at a path below a table;
    nothing where no type has such a path.
    """
    found: tuple[inspect.Type, ...] = (inspect.type_info(struct),)
    for step in path:
        found = tuple(member for kind in found for member in _step(kind, step))
    return found


def _step(kind: inspect.Type, step: str | int) -> Iterator[inspect.Type]:
    below: inspect.Type | None = None
    if isinstance(kind, inspect.StructType):
        below = next((field.type for field in kind.fields if field.name == step), None)
    elif isinstance(kind, inspect.DictType):
        below = kind.value_type
    elif isinstance(kind, inspect.VarTupleType):
        below = kind.item_type
    if isinstance(below, inspect.UnionType):
        yield from below.types
    elif below is not None:
        yield below


def choices_at(struct: type[msgspec.Struct], path: Steps) -> list[str]:
    """Return the texts that may stand at a path, and `a table` where one may."""
    found: list[str] = []
    for kind in types_at(struct, path):
        if isinstance(kind, inspect.LiteralType):
            found += [str(value) for value in kind.values]
        elif isinstance(kind, inspect.StructType):
            found.append("a table")
    return found


def is_secret(struct: type[msgspec.Struct], path: Steps) -> bool:
    """Say whether a value at a path may hold credentials, so that no error may show it."""
    return any(_may_be_secret(kind) for kind in types_at(struct, path))


def _may_be_secret(kind: Any) -> bool:
    if isinstance(kind, inspect.VarTupleType):
        return _may_be_secret(kind.item_type)
    return isinstance(kind, inspect.CustomType) and kind.cls is SecretUrl
