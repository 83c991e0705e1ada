# SPDX-License-Identifier: MIT
"""What chains somebody wants, in one line: `a=qbft:4,b=ibft2:7@0.5,c=pos`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from relayer.consensus.bft.local.chain import DEFAULT_BLOCK_TIME_S, MIN_BLOCK_TIME_S
from relayer.consensus.bft.local.header import Kind
from relayer.consensus.bft.local.sealing import MAX_VALIDATORS
from relayer.consensus.ethereum.local.chain import (
    DEFAULT_ETHEREUM_VALIDATORS,
    DEFAULT_SLOT_TIME_S,
    MAX_ETHEREUM_VALIDATORS,
    EthereumKind,
)
from relayer.devnet.errors import SpecError

DEFAULT_VALIDATORS = 4
#: The block time that means: a block only when `evm_mine` asks for one.
ON_DEMAND = "manual"
#: More than pilots have chains; a longer list is a mistake.
MAX_CHAINS = 200

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_GRAMMAR = "NAME=KIND[:VALIDATORS][@BLOCK_TIME], separated by commas, such as a=qbft:4,b=ibft2:7@0.5,c=pos"


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """One wanted chain. `block_time_s` is a slot's length with proof of stake; None = blocks on demand."""

    name: str
    kind: Kind | EthereumKind
    validators: int = DEFAULT_VALIDATORS
    block_time_s: float | None = DEFAULT_BLOCK_TIME_S


def parse_spec(text: str) -> tuple[ChainSpec, ...]:
    """Read a line of chains.

    Raises:
        SpecError: says which part can't be read, and what was expected in its place.
    """
    if not text.strip():
        raise SpecError("no chains", _GRAMMAR)
    chains = tuple(_parse_chain(part.strip()) for part in text.split(","))
    if len(chains) > MAX_CHAINS:
        raise SpecError(f"{len(chains)} chains", f"at most {MAX_CHAINS}")
    names = [chain.name for chain in chains]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(
                f"{names.count(name)} chains with the name {name!r}", "a name of its own for each"
            )
    return chains


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
    kind_text, colon, count = rest.partition(":")
    kind: Kind | EthereumKind
    if kind_text == EthereumKind.POS:
        kind, validators, most, block_time_s = (
            EthereumKind.POS,
            DEFAULT_ETHEREUM_VALIDATORS,
            MAX_ETHEREUM_VALIDATORS,
            DEFAULT_SLOT_TIME_S,
        )
    else:
        try:
            kind = Kind(kind_text)
        except ValueError:
            kinds = f"{', '.join(Kind)} or {EthereumKind.POS}"
            raise SpecError(f"the consensus {kind_text!r} of chain {name!r}", kinds) from None
        validators, most, block_time_s = DEFAULT_VALIDATORS, MAX_VALIDATORS, DEFAULT_BLOCK_TIME_S
    return ChainSpec(
        name=name,
        kind=kind,
        validators=_parse_validators(name, count, most) if colon else validators,
        block_time_s=_parse_block_time(name, block_time) if at else block_time_s,
    )


def _parse_validators(name: str, text: str, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 4 or not 1 <= int(text) <= most:
        raise SpecError(f"{text!r} validators of chain {name!r}", f"a whole number from 1 to {most}")
    return int(text)


def _parse_block_time(name: str, text: str) -> float | None:
    if text == ON_DEMAND:
        return None
    expected = f"seconds, at least {MIN_BLOCK_TIME_S} and at most 3600, or {ON_DEMAND!r}"
    try:
        seconds = float(text)
    except ValueError:
        raise SpecError(f"the block time {text!r} of chain {name!r}", expected) from None
    if not MIN_BLOCK_TIME_S <= seconds <= 3600:
        raise SpecError(f"the block time {text!r} of chain {name!r}", expected)
    return seconds
