# SPDX-License-Identifier: MIT
"""QBFT and IBFT 2.0: validators seal every block, and a sealed block is final."""

from __future__ import annotations

from typing import Final

from relayer.consensus.kind import ConsensusKind

KIND: Final = ConsensusKind(
    name="bft",
    package=__name__,
    contract="BftLightClient",
    signers="validators",
    misbehaviour="Validators signed two blocks of one height.",
    dialects={"qbft": {"protocol": "qbft"}, "ibft2": {"protocol": "ibft2"}},
)
