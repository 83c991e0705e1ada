# SPDX-License-Identifier: MIT
"""What a Clique chain is configured with."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final

import msgspec

from light_clients.clique.client import MAX_EXTRA_DEPTH
from light_clients.clique.signers import MAX_SIGNERS
from relayer.config import Bytes20, ConsensusConfig, InvalidConfig, TrustTerms, Where
from relayer.config.values import Height, Positive

_NOBODY: Final = bytes(20)
#: EIP-225's, and what go-ethereum and Besu take where a genesis file names none.
DEFAULT_EPOCH: Final = 30_000


class CliqueBootstrap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is trusted from the start: a height, the time of its block in seconds, and the signers
    that may seal the next block.

    A signer has 20 bytes; they ascend.
    """

    height: Height
    timestamp: Positive
    signers: Annotated[tuple[Bytes20, ...], msgspec.Meta(min_length=1, max_length=MAX_SIGNERS)]


class CliqueConfig(ConsensusConfig, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[chains.NAME.consensus]` of a Clique chain.

    Attributes:
        epoch: after how many blocks votes are discarded and the signers listed, as the genesis file has it.
        extra_depth: how many blocks more than a majority of the signers have to stand on a block before it is
            believed. More makes a reorganisation that deep less likely, and messages later.
        bootstrap: what is trusted from the start.
    """

    kind: str = "clique"
    epoch: Positive = DEFAULT_EPOCH
    extra_depth: Annotated[int, msgspec.Meta(ge=0, le=MAX_EXTRA_DEPTH)] = 0
    bootstrap: CliqueBootstrap | None = None

    @property
    def label(self) -> str:
        """What people call the protocol."""
        return "Clique"

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
        """Raise InvalidConfig for signers that do not ascend, or for the zero address."""
        signers = () if self.bootstrap is None else self.bootstrap.signers
        if _NOBODY in signers or any(low >= high for low, high in pairwise(signers)):
            raise InvalidConfig(
                where("bootstrap", "signers"),
                "signers that do not ascend, or a zero one",
                "distinct addresses, ascending",
                "Copy the list again, as clique_getSigners gives it.",
            )


CONFIG: Final = CliqueConfig
