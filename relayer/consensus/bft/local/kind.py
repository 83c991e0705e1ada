# SPDX-License-Identifier: MIT
"""How BFT chains are asked for in a spec line: `bft[:PROTOCOL][:VALIDATORS]`.

A chain that changes its protocol at a height has `PROTOCOL-PROTOCOL-HEIGHT` in the place of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from light_clients.bft.preimage import BftKind, BftKinds, KindChange
from relayer.consensus.bft.config import PROTOCOLS
from relayer.consensus.bft.local.chain import DEFAULT_VALIDATORS, LocalBftChain
from relayer.consensus.bft.local.validators import MAX_VALIDATORS
from relayer.devnet.chain.chain_options import DEFAULT_BLOCK_TIME_S, ChainOptions
from relayer.devnet.chain.local_kind import read_count
from relayer.devnet.errors import SpecError

#: The word for a contract that chooses the validators.
_BY_CONTRACT: Final = "contract-validators"
#: No local chain lives as long.
_LAST_HEIGHT: Final = 10**9


@dataclass(frozen=True, slots=True)
class BftSettings:
    """What a spec line says of a BFT chain."""

    protocol: BftKinds = BftKind.QBFT
    validators: int = DEFAULT_VALIDATORS
    by_contract: bool = False


class LocalBft:
    """The kind `bft` for the devnet (relayer.devnet.chain.local_kind.LocalKind)."""

    grammar: Final = f"bft[:PROTOCOL[-PROTOCOL-HEIGHT]][:VALIDATORS][:{_BY_CONTRACT}]"
    words: Final[Mapping[str, str]] = {name: f"bft:{name}" for name in PROTOCOLS}
    block_time_s: Final = DEFAULT_BLOCK_TIME_S

    def read_options(self, chain: str, options: Sequence[str]) -> BftSettings:
        """Read a protocol, a number of validators, or both in this order, and whether a contract chooses the
        validators. Raises SpecError.
        """
        settings, rest = BftSettings(), list(options)
        if _BY_CONTRACT in rest:
            rest.remove(_BY_CONTRACT)
            settings = replace(settings, by_contract=True)
        if rest and (protocol := _read_protocol(rest[0])) is not None:
            settings = replace(settings, protocol=protocol)
            del rest[0]
        if not rest:
            return settings
        validators = read_count(rest[0], MAX_VALIDATORS) if len(rest) == 1 else None
        if validators is None:
            raise SpecError(
                f"the options {':'.join(options)!r} of chain {chain!r}",
                f"{self.grammar}, PROTOCOL one of {', '.join(PROTOCOLS)}, HEIGHT of the change, VALIDATORS from 1 to {MAX_VALIDATORS}",
            )
        return replace(settings, validators=validators)

    def build(self, name: str, settings: BftSettings, options: ChainOptions) -> LocalBftChain:
        """Make a chain."""
        return LocalBftChain(
            name,
            options,
            protocol=settings.protocol,
            validators=settings.validators,
            by_contract=settings.by_contract,
        )

    async def await_trust(self, name: str, consensus: Mapping[str, Any], tell: Callable[[str], None]) -> None:
        """Return at once: every block is final, and a started chain has block 1, where trust begins."""


def _read_protocol(text: str) -> BftKinds | None:
    """Return what a word says of the protocol; None where it is no such word."""
    if text in PROTOCOLS:
        return PROTOCOLS[text]
    match text.split("-"):
        case [first, later, height] if {first, later} <= PROTOCOLS.keys() and first != later:
            from_height = read_count(height, _LAST_HEIGHT)
            if from_height is not None:
                return KindChange(PROTOCOLS[first], PROTOCOLS[later], from_height)
    return None
