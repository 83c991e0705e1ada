# SPDX-License-Identifier: MIT
"""How BFT chains are asked for in a spec line: `bft[:PROTOCOL][:VALIDATORS]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from light_clients.bft.preimage import BftKind
from relayer.consensus.bft.config import PROTOCOLS
from relayer.consensus.bft.local.chain import DEFAULT_VALIDATORS, LocalBftChain
from relayer.consensus.bft.local.validators import MAX_VALIDATORS
from relayer.devnet.chain.chain_options import DEFAULT_BLOCK_TIME_S, ChainOptions
from relayer.devnet.chain.local_kind import read_count
from relayer.devnet.errors import SpecError


@dataclass(frozen=True, slots=True)
class BftSettings:
    """What a spec line says of a BFT chain."""

    protocol: BftKind = BftKind.QBFT
    validators: int = DEFAULT_VALIDATORS


class LocalBft:
    """The kind `bft` for the devnet (relayer.devnet.chain.local_kind.LocalKind)."""

    grammar: Final = "bft[:PROTOCOL][:VALIDATORS]"
    words: Final[Mapping[str, str]] = {name: f"bft:{name}" for name in PROTOCOLS}
    block_time_s: Final = DEFAULT_BLOCK_TIME_S

    def read_options(self, chain: str, options: Sequence[str]) -> BftSettings:
        """Read a protocol, a number of validators, or both in this order. Raises SpecError."""
        settings, rest = BftSettings(), list(options)
        if rest and rest[0] in PROTOCOLS:
            settings = replace(settings, protocol=PROTOCOLS[rest.pop(0)])
        if not rest:
            return settings
        validators = read_count(rest[0], MAX_VALIDATORS) if len(rest) == 1 else None
        if validators is None:
            raise SpecError(
                f"the options {':'.join(options)!r} of chain {chain!r}",
                f"{self.grammar}, PROTOCOL one of {', '.join(PROTOCOLS)}, VALIDATORS from 1 to {MAX_VALIDATORS}",
            )
        return replace(settings, validators=validators)

    def build(self, name: str, settings: BftSettings, options: ChainOptions) -> LocalBftChain:
        """Make a chain."""
        return LocalBftChain(name, options, protocol=settings.protocol, validators=settings.validators)

    async def await_trust(self, name: str, consensus: Mapping[str, Any], tell: Callable[[str], None]) -> None:
        """Return at once: every block is final, and a started chain has block 1, where trust begins."""
