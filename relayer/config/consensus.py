# SPDX-License-Identifier: MIT
"""The table `[chains.NAME.consensus]`, for which every kind of consensus brings the type, by entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from relayer import plugins
from relayer.config.shapes import shapes_of
from relayer.errors import ConfigError

#: Returns where a key of the consensus' table stands, for errors: `where("bootstrap", "height")`.
Where: TypeAlias = Callable[..., str]


class TrustTerms(Protocol):
    """What every kind's light client is deployed with, in seconds; the keys stand in `[chains.NAME]`."""

    @property
    def trusting_period_s(self) -> int: ...  # noqa: D102  the class tells

    @property
    def max_clock_drift_s(self) -> int: ...  # noqa: D102


class ConsensusConfig:
    """What a chain's kind of consensus is configured with.

    A kind's class inherits from this and from `msgspec.Struct` (frozen, keyword-only, unknown
    fields forbidden), and adds its keys. A key whose default is None is one that a deployment
    may write into the file.

    Attributes:
        kind: the kind's name, which a subclass gives as the default.
    """

    __slots__ = ()

    kind: str

    @property
    def label(self) -> str:
        """What people call this consensus."""
        return self.kind

    @property
    def contract(self) -> str | None:
        """The light client that such a chain needs, of a kind that has several; None for the kind's first."""
        return None

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys that relaying needs and that are not there yet."""
        raise NotImplementedError

    @property
    def first_height(self) -> int:
        """The block from which on messages are looked for; only valid when nothing is missing."""
        raise NotImplementedError

    def check(self, chain: TrustTerms, where: Where) -> None:
        """Raise InvalidConfig, with the place, for what types alone can't refuse.

        `chain` has the keys that every kind shares; they are checked already. By default nothing is refused.
        """


class _Kind(Protocol):
    """What this package needs of a relayer.consensus.kind.ConsensusKind, which stands above it."""

    @property
    def config(self) -> type[ConsensusConfig]: ...

    @property
    def dialects(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def platforms(self) -> tuple[str, ...]: ...


def kind_names() -> tuple[str, ...]:
    """Return the names of the installed kinds."""
    return plugins.names(plugins.CONSENSUS)


def config_of(kind: str) -> type[ConsensusConfig]:
    """Return the type of a kind's table. Raises ConfigError when the kind is not installed or broken."""
    found: _Kind = plugins.load(plugins.CONSENSUS, kind)
    return found.config


def platforms_of(kind: str) -> tuple[str, ...]:
    """Return the CAIP-2 namespaces of the chains that a kind can believe.

    Raises ConfigError as `config_of`.
    """
    found: _Kind = plugins.load(plugins.CONSENSUS, kind)
    return found.platforms


def keys_of_word(word: str) -> dict[str, Any] | None:
    """Return the keys that the name of a kind, or of one of its dialects, stands for;
    None for another word.
    """
    if word in kind_names():
        return {"kind": word}
    for name, kind in _working_kinds():
        if word in kind.dialects:
            return {"kind": name, **kind.dialects[word]}
    return None


def kinds_with(key: str, path: Sequence[str | int] = ()) -> tuple[str, ...]:
    """Return the kinds that have a key in their table, or in the one at `path` below it."""
    found = []
    for name, _ in _working_kinds():
        table: type[Any] | None = config_of(name)
        for step in path:
            shape = None if table is None else shapes_of(table).get(str(step))
            table = None if shape is None else shape.struct
        if table is not None and key in shapes_of(table):
            found.append(name)
    return tuple(found)


def _working_kinds() -> Iterator[tuple[str, _Kind]]:
    """Yield the kinds that can be loaded: a broken one must not hide what is wrong with a
    chain of another.
    """
    for name in kind_names():
        try:
            kind: _Kind = plugins.load(plugins.CONSENSUS, name)
            config_of(name)
        except ConfigError:
            continue
        yield name, kind
