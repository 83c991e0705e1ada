# SPDX-License-Identifier: MIT
"""What chains somebody wants, in one line: `NAME=KIND[:OPTION]...[/DRESS][@BLOCK_TIME]`, parted by commas.

KIND is an installed kind of consensus, or a word that stands for one and some of its options. Options that
are words of rules (`relayer.devnet.rules`) mean the same with every kind, wherever they stand. What the
others mean is the kind's own: it reads them, and says what is wrong with them. A dress
(`relayer.devnet.dresses`) is a name for what networks of one platform have in common.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from relayer import plugins
from relayer.consensus.registry import find_kind, kinds
from relayer.devnet.chain.chain_options import MAX_BLOCK_TIME_S, MIN_BLOCK_TIME_S
from relayer.devnet.chain.local_kind import LocalKind
from relayer.devnet.dresses import find_dress
from relayer.devnet.errors import SpecError
from relayer.devnet.rules import GRAMMAR as RULES_GRAMMAR
from relayer.devnet.rules import ChainRules, take_rules
from relayer.errors import ConfigError

#: The block time that means: a block only when `evm_mine` asks for one.
ON_DEMAND: Final = "manual"
#: More than pilots have chains; a longer list is a mistake.
MAX_CHAINS: Final = 200

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_GRAMMAR: Final = "NAME=KIND[:OPTION]...[/DRESS][@BLOCK_TIME], separated by commas"


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """One wanted chain.

    Attributes:
        name: of the chain.
        kind: the name of its kind of consensus.
        settings: what the kind read from its options.
        rules: what words among the options, and the dress, ask for that has nothing to do with the kind.
        block_time_s: seconds between blocks; None = blocks on demand.
    """

    name: str
    kind: str
    settings: Any
    block_time_s: float | None
    rules: ChainRules = field(default_factory=ChainRules)


def parse_spec(text: str) -> tuple[ChainSpec, ...]:
    """Read a line of chains.

    Raises:
        SpecError: says which part can't be read, and what was expected in its place.
        ConfigError: a kind is installed, but can't be run locally.
    """
    if not text.strip():
        raise SpecError("no chains", _GRAMMAR)
    chains = tuple(_parse_chain(part.strip()) for part in text.split(","))
    if len(chains) > MAX_CHAINS:
        raise SpecError(f"{len(chains)} chains", f"at most {MAX_CHAINS}")
    names = [chain.name for chain in chains]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f"{names.count(name)} chains with the name {name!r}", "names that differ")
    return chains


def local_kind(name: str) -> LocalKind[Any]:
    """Return how chains of a kind are run locally.

    Raises ConfigError when it is not installed, or has no local chain.
    """
    found: LocalKind[Any] = find_kind(name).local
    return found


def _parse_chain(part: str) -> ChainSpec:
    name, equals, rest = part.partition("=")
    if not equals:
        raise SpecError(f"the chain {part!r}", _GRAMMAR)
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"the chain name {name!r}",
            "a small letter, then at most 30 small letters, digits and hyphens",
        )
    rest, at, block_time = rest.partition("@")
    rest, slash, dressed = rest.partition("/")
    dress = find_dress(name, dressed) if slash else None
    kind, *options = _read_kind(name, *rest.split(":"))
    local = local_kind(kind)
    rules, own = take_rules(name, options, None if dress is None else dress.rules)
    try:
        settings = local.read_options(name, (*own, *(() if dress is None else dress.options)))
    except SpecError as error:
        # The kind knows nothing of these words.
        raise SpecError(error.found, error.expected, f"Rules are {RULES_GRAMMAR}.") from error
    return ChainSpec(
        name=name,
        kind=kind,
        settings=settings,
        block_time_s=_parse_block_time(name, block_time) if at else local.block_time_s,
        rules=rules,
    )


def _read_kind(name: str, word: str, *options: str) -> tuple[str, ...]:
    """Return the kind that a word stands for, and all options. Raises SpecError for another word."""
    if word in plugins.names(plugins.CONSENSUS):
        return (word, *options)
    grammars = []
    for kind in kinds():
        try:
            local: LocalKind[Any] = kind.local
        except ConfigError:
            # A kind need not have a local chain.
            continue
        grammars.append(local.grammar)
        if word in local.words:
            return (*local.words[word].split(":"), *options)
    raise SpecError(f"the kind {word!r} of chain {name!r}", f"one of {', '.join(grammars)}")


def _parse_block_time(name: str, text: str) -> float | None:
    if text == ON_DEMAND:
        return None
    expected = f"seconds, at least {MIN_BLOCK_TIME_S:g} and at most {MAX_BLOCK_TIME_S:g}, or {ON_DEMAND!r}"
    try:
        seconds = float(text)
    except ValueError:
        raise SpecError(f"the block time {text!r} of chain {name!r}", expected) from None
    if not MIN_BLOCK_TIME_S <= seconds <= MAX_BLOCK_TIME_S:
        raise SpecError(f"the block time {text!r} of chain {name!r}", expected)
    return seconds
