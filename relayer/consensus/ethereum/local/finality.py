# SPDX-License-Identifier: MIT
"""Justification and finality by the votes of whole epochs (consensus-specs, `phase0/beacon-chain.md`).

Simplified, honestly: votes need no room in blocks, so an epoch with at least one block has the share of
target votes that its newest block brings, and an epoch without a block has none. Nobody votes late. What the
specification decides from that alone is decided alike: epoch N is final when N and N + 1 have two thirds
each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from light_clients.ethereum.config import Epoch
from relayer.consensus.ethereum.local.leaves import ZERO


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An epoch, and the newest block at its first slot: 32 bytes, zero in epoch 0."""

    epoch: Epoch
    root: bytes


GENESIS_CHECKPOINT: Final = Checkpoint(Epoch(0), ZERO)


@dataclass(frozen=True, slots=True)
class Finality:
    """What a state says of justification.

    `bits`: bit 0 = the newest epoch that was judged, and so on for four.
    """

    previous_justified: Checkpoint = GENESIS_CHECKPOINT
    justified: Checkpoint = GENESIS_CHECKPOINT
    finalized: Checkpoint = GENESIS_CHECKPOINT
    bits: int = 0

    def end_epoch(self, ended: Checkpoint, votes: float) -> Finality:
        """Judge an epoch at its end, by the share of its target votes. Epoch 0 is never judged."""
        if ended.epoch == 0:
            return self
        moved = replace(self, previous_justified=self.justified, bits=self.bits << 1 & 0b1111)
        # As the specification counts: in whole validators' balances, without fractions of a third.
        if 3 * votes < 2 - 1e-9:
            return moved
        has_link = self.justified.epoch == ended.epoch - 1 > 0
        return replace(
            moved,
            justified=ended,
            bits=moved.bits | 1,
            finalized=self.justified if has_link else self.finalized,
        )
