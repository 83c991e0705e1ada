# SPDX-License-Identifier: MIT
"""What a QBFT or IBFT 2.0 chain is configured with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from light_clients.bft.preimage import BftKind
from relayer.config import Bytes20, ConsensusConfig, InvalidConfig, TrustTerms, Where
from relayer.config.values import Height, Positive

PROTOCOLS: Final[Mapping[str, BftKind]] = {"qbft": BftKind.QBFT, "ibft2": BftKind.IBFT2}
"""The protocols by the names that files give them."""
LABELS: Final[Mapping[BftKind, str]] = {BftKind.QBFT: "QBFT", BftKind.IBFT2: "IBFT 2.0"}
"""How people call them."""

_NOBODY: Final = bytes(20)


class BootstrapConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is believed from the start: the validators that seal the block at a height,
    and its time in seconds.
    """

    height: Height
    timestamp: Positive
    validators: Annotated[tuple[Bytes20, ...], msgspec.Meta(min_length=1, max_length=255)]


class BftConfig(ConsensusConfig, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[chains.NAME.consensus]` of a BFT chain."""

    kind: str = "bft"
    protocol: Literal["qbft", "ibft2"]
    bootstrap: BootstrapConfig | None = None

    @property
    def variant(self) -> BftKind:
        """The protocol, as headers and light clients know it."""
        return PROTOCOLS[self.protocol]

    @property
    def label(self) -> str:
        """The protocol, as people call it."""
        return LABELS[self.variant]

    @property
    def missing(self) -> tuple[str, ...]:
        """The bootstrap, until an endpoint is deployed or joined."""
        return ("bootstrap",) if self.bootstrap is None else ()

    @property
    def first_height(self) -> int:
        """The bootstrap's block."""
        assert self.bootstrap is not None
        return self.bootstrap.height

    def check(self, chain: TrustTerms, where: Where) -> None:  # noqa: ARG002  nothing of the chain matters here
        """Refuse a validator that is there twice, or that is nobody. Raises InvalidConfig."""
        validators = () if self.bootstrap is None else self.bootstrap.validators
        if len(set(validators)) != len(validators) or _NOBODY in validators:
            raise InvalidConfig(
                where("bootstrap", "validators"),
                "a validator twice or zero",
                "distinct validators",
                "Copy the list again.",
            )


CONFIG: Final = BftConfig
