# SPDX-License-Identifier: MIT
"""Ethereum's proof of stake: a block is final when sync committees have signed what finalizes it."""

from __future__ import annotations

from typing import Final

from relayer.consensus.kind import ConsensusKind

KIND: Final = ConsensusKind(
    name="ethereum",
    package=__name__,
    contract="EthereumLightClient",
    signers="members of the sync committee",
    misbehaviour="A sync committee signed two finalized blocks of one slot, or two next committees.",
    faster_with={
        "pyblst": "Following a sync committee takes seconds of processor time for each header without it, for py_ecc "
        "verifies instead: install the package pyblst. Where it has no wheel that takes a Rust compiler, or Python 3.13."
    },
)
