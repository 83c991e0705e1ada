# SPDX-License-Identifier: MIT
"""Local chains of real Clique blocks: anvil executes, one of our own signers seals.

`block_maker` decides who seals a block and when, lets anvil execute it, and builds a Clique header round what
came out. `signers` says who may seal, who is down, and what they vote for. `served_blocks` gives clients
anvil's blocks with the sealed header's fields put over them, or wrong ones where one of `faults` acts.
`chain` puts the parts together; `kind` is what the devnet knows of all this, and of chains that go-ethereum
seals (`geth`). A front's chain has one branch, so nothing is reorganised on it; the fault `branch` shows what
a second one looks like.
"""

from __future__ import annotations

from typing import Final

from relayer.consensus.clique.local.kind import LocalClique

LOCAL: Final = LocalClique()
