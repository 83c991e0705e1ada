# SPDX-License-Identifier: MIT
"""QBFT, IBFT 2.0 and legacy Istanbul: validators seal every block, and a sealed block is final.

The rules are in light_clients/bft. prover.py follows a chain by them; update_path.py finds the updates from
one validator set to another, for the prover and for a light client on a destination. protocols.py tells which
protocol sealed a block, and where a chain went from one to another. contract_mode/ is for chains whose
validators a contract chooses.
"""

from __future__ import annotations

from typing import Final

from relayer.consensus.kind import ConsensusKind

KIND: Final = ConsensusKind(
    name="bft",
    package=__name__,
    contract="BftLightClient",
    signers="validators",
    misbehaviour="Validators signed two blocks of one height.",
    other_contracts=("BftValidatorContractLightClient",),
    dialects={name: {"protocol": name} for name in ("qbft", "ibft2", "ibft")},
)
