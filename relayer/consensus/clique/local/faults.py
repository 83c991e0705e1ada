# SPDX-License-Identifier: MIT
"""What can be made to go wrong with local Clique chains, beside what can with every local chain."""

from __future__ import annotations

from typing import Final

from relayer.devnet.state.faults import COMMON_FAULTS, BlockFault, Fault


class ForeignSeal(BlockFault, frozen=True, tag="foreign-seal"):
    """Blocks are sealed by somebody who is no signer."""


class ForgedRoot(BlockFault, frozen=True, tag="forged-root"):
    """Blocks have an invented state root, and the true block's seal: nobody signed that."""


class Branch(BlockFault, frozen=True, tag="branch"):
    """Asked by number from `first` on, the chain gives another branch, which the same signers sealed.

    It is what a deep reorganisation looks like, or signers who build on two branches. It is as long as the
    chain.
    """


#: All of them.
CLIQUE_FAULTS: Final[frozenset[type[Fault]]] = COMMON_FAULTS | {ForeignSeal, ForgedRoot, Branch}
