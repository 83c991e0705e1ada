# SPDX-License-Identifier: MIT
"""Local chains of real BFT blocks: anvil executes, a quorum of our own validators seals.

`block_maker` decides when a block is made and by whom, lets anvil execute it, and builds a BFT header round
what came out (`sealed_block`). `validators` says who may seal and how their set changes, `sealing` signs.
`served_blocks` gives clients anvil's blocks with the sealed header's fields put over them, or wrong ones
where one of `faults` acts. `chain` puts the parts together; `kind` is what the devnet knows of all this.
"""

from __future__ import annotations

from typing import Final

from relayer.consensus.bft.local.kind import LocalBft

LOCAL: Final = LocalBft()
