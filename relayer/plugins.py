# SPDX-License-Identifier: MIT
"""What installed distributions add to Postroad, found by entry point.

Nothing of it is imported before it is asked for.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import Any, Final

from relayer.errors import ConfigError

CONSENSUS: Final = "postroad.consensus"
"""The entry-point group of kinds of consensus. Each entry names a `relayer.consensus.kind.ConsensusKind`."""

CONTRACTS: Final = "postroad.contracts"
"""The entry-point group of packages with compiled contracts, `<Name>.json` each."""


@cache
def names(group: str) -> tuple[str, ...]:
    """Return the names of a group's entry points, in alphabetical order."""
    return tuple(sorted({point.name for point in metadata.entry_points(group=group)}))


@cache
def values(group: str) -> tuple[str, ...]:
    """Return what a group's entry points name, as text, in alphabetical order of their names."""
    points = sorted(metadata.entry_points(group=group), key=lambda point: point.name)
    return tuple(dict.fromkeys(point.value for point in points))


@cache
def load(group: str, name: str) -> Any:
    """Return the object that an entry point names.

    Raises:
        ConfigError: no distribution offers the name, several do, or the one that does can't be imported.
    """
    points = list(metadata.entry_points(group=group, name=name))
    # An editable install beside a built one lists one and the same entry twice.
    values = {point.value for point in points}
    if not points:
        raise ConfigError(
            f"no {group} entry point {name!r}",
            f"one of {', '.join(names(group)) or 'none, for nothing is installed'}",
            "Correct the name, or install the distribution that offers it.",
        )
    if len(values) > 1:
        raise ConfigError(
            f"{len(values)} distributions that offer {name!r} ({', '.join(sorted(values))})",
            "one",
            "Uninstall the others.",
        )
    try:
        return points[0].load()
    except Exception as error:
        raise ConfigError(
            f"{points[0].value}, which offers {name!r}, can't be imported: {error}",
            "an importable module",
            "Install its requirements, or uninstall it.",
        ) from error
