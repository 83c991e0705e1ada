# SPDX-License-Identifier: MIT
"""Clique (EIP-225): signers seal blocks in turn, and a block is believed when more than half built on it.

The rules are in light_clients/clique. prover.py follows a chain by them; update_path.py finds the updates
from one signer set to another, for the prover and for a light client on a destination.
"""

from __future__ import annotations

from typing import Final

from relayer.consensus.kind import ConsensusKind

KIND: Final = ConsensusKind(
    name="clique",
    package=__name__,
    contract="CliqueLightClient",
    signers="signers",
    misbehaviour="More than half of the signers built on two blocks of one height.",
)
