# SPDX-License-Identifier: MIT
"""What can be made to go wrong with local BFT chains, beside what can with every local chain."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from relayer.devnet.state.faults import COMMON_FAULTS, BlockFault, Count, Fault


class MissingSeals(BlockFault, frozen=True, tag="missing-seals"):
    """Blocks come with fewer seals than the quorum: `keep`, by default one too few."""

    keep: Annotated[int, msgspec.Meta(ge=0)] | None = None


class ForgedSeals(BlockFault, frozen=True, tag="forged-seals"):
    """`count` seals (by default all) sign another hash, and so recover to nobody in the set."""

    count: Count | None = None


class ForeignSeals(BlockFault, frozen=True, tag="foreign-seals"):
    """`count` seals (by default 1) are right signatures of somebody who is not a validator."""

    count: Count = 1


class RepeatedSeals(BlockFault, frozen=True, tag="repeated-seals"):
    """One validator's seal, as often as the quorum asks for."""


class ForgedHeader(BlockFault, frozen=True, tag="forged-header"):
    """Blocks have an invented state root and `hash`, but the true block's seals: no quorum signed that."""


class Equivocation(BlockFault, frozen=True, tag="equivocation"):
    """Asked by number, the chain gives a second block of that height, which a quorum sealed as well."""


class Rounds(Fault, frozen=True, tag="rounds"):
    """New blocks are sealed in this round: honest, but slower consensus with another proposer.

    `times` counts blocks.
    """

    round: Count = 1


SealFault: TypeAlias = MissingSeals | ForgedSeals | ForeignSeals | RepeatedSeals

BFT_FAULTS: Final[frozenset[type[Fault]]] = COMMON_FAULTS | {
    MissingSeals,
    ForgedSeals,
    ForeignSeals,
    RepeatedSeals,
    ForgedHeader,
    Equivocation,
    Rounds,
}
"""All of them."""
