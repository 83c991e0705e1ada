# SPDX-License-Identifier: MIT
"""What a QBFT or IBFT 2.0 chain is configured with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from light_clients.bft.preimage import BftKind
from relayer.config import Bytes20, ConsensusConfig, InvalidConfig, TrustTerms, Where
from relayer.config.values import Height, Positive

#: The protocols, by their names in files.
PROTOCOLS: Final[Mapping[str, BftKind]] = {"qbft": BftKind.QBFT, "ibft2": BftKind.IBFT2}
#: How people call them.
LABELS: Final[Mapping[BftKind, str]] = {BftKind.QBFT: "QBFT", BftKind.IBFT2: "IBFT 2.0"}

_NOBODY: Final = bytes(20)


class BootstrapConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is trusted from the start: the validators that seal the block at a height, and its
    time in seconds.

    A validator has 20 bytes; they stand in the order of the header.
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
        """The protocol, as the light client names it."""
        return PROTOCOLS[self.protocol]

    @property
    def label(self) -> str:
        """What people call the protocol."""
        return LABELS[self.variant]

    @property
    def missing(self) -> tuple[str, ...]:
        """Holds `bootstrap` until an endpoint is deployed or joined."""
        return ("bootstrap",) if self.bootstrap is None else ()

    @property
    def first_height(self) -> int:
        """The height of the bootstrap, which is the first block that is trusted."""
        assert self.bootstrap is not None
        return self.bootstrap.height

    def check(self, chain: TrustTerms, where: Where) -> None:  # noqa: ARG002  nothing of the chain matters here
        """Raise InvalidConfig for a validator that is listed twice, or for the zero address."""
        validators = () if self.bootstrap is None else self.bootstrap.validators
        if len(set(validators)) != len(validators) or _NOBODY in validators:
            raise InvalidConfig(
                where("bootstrap", "validators"),
                "a validator twice or zero",
                "distinct validators",
                "Copy the list again.",
            )


CONFIG: Final = BftConfig
