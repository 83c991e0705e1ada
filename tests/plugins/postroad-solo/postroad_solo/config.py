# SPDX-License-Identifier: MIT
"""What a solo chain is configured with."""

from __future__ import annotations

from typing import Final

import msgspec

from relayer.config import Bytes20, ConsensusConfig, InvalidConfig, TrustTerms, Where
from relayer.config.values import Height, Positive


class BootstrapConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is believed from the start: whose key signs, and a block's height and time in seconds."""

    signer: Bytes20
    height: Height
    timestamp: Positive


class SoloConfig(ConsensusConfig, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[chains.NAME.consensus]` of a solo chain."""

    kind: str = "solo"
    bootstrap: BootstrapConfig | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The bootstrap, until an endpoint is deployed or joined."""
        return ("bootstrap",) if self.bootstrap is None else ()

    @property
    def first_height(self) -> int:
        """The bootstrap's block."""
        assert self.bootstrap is not None
        return self.bootstrap.height

    def check(self, chain: TrustTerms, where: Where) -> None:
        """Refuse the key of nobody. Raises InvalidConfig."""
        del chain
        if self.bootstrap is not None and not any(self.bootstrap.signer):
            place = where("bootstrap", "signer")
            raise InvalidConfig(place, "zero", "an address", "Ask the chain's owner for it.")


CONFIG: Final = SoloConfig
