# SPDX-License-Identifier: MIT
"""Local chains of real QBFT or IBFT 2.0 blocks: anvil executes a block, and a quorum of our own validators seals it.

`block_maker` decides when a block is made and by whom, lets anvil execute it, and puts a BFT header round what came out
(`sealed_block`), which the validators of `validators` sign (`sealing`). `served_blocks` gives clients anvil's blocks with the
sealed header's fields put over them. `chain` puts the parts together, `faults` says what can be made to go wrong.
"""

from __future__ import annotations

from typing import Final

from relayer.consensus.bft.local.kind import LocalBft

LOCAL: Final = LocalBft()
