# SPDX-License-Identifier: MIT
"""Anchoring: several deliveries under one costly header pay for its signature once.

A proof may carry the header's signature (whole), or refer to a state root that the client has anchored
(short). Where two batches or more wait for one header, an `anchor` transaction is sent first, and short
proofs follow. A client has one anchor, which newer ones replace. So a short proof that the destination
refuses is sent whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from light_clients.client import Height
from relayer.consensus.base import OnChainClient, Prover

#: Where an aggregate signature proves a header, an anchor costs some 220,000 gas, and saves every delivery
#: some 178,000 (docs/explanation/gas.md). So the second batch pays for it.
LEAST_BATCHES: Final = 2


@dataclass(slots=True)
class Anchoring:
    """What is known of a client's anchor, and which header is to be anchored next.

    Attributes:
        prover: the prover of the client's chain.
        height: the anchored block, as it was read last; 0 for none.
        wanted: the block whose header an anchor transaction is to be sent for.
        refused: up to this block nothing can be anchored any more.
    """

    prover: Prover
    height: Height = Height(0)  # noqa: RUF009  a number
    wanted: Height | None = None
    refused: Height = Height(0)  # noqa: RUF009  as above

    def read(self, client: OnChainClient) -> None:
        """Take the anchor from the state of the client that was read."""
        self.height = client.anchored
        if self.wanted is not None and self.wanted <= self.height:
            self.wanted = None

    def is_worth_it(self, height: Height, batches: int, count: Callable[[Height], int]) -> bool:
        """Return whether batches under a header should wait until it is anchored.

        `batches` are those that one lane would send now; `count` tells how many all lanes of the client have
        ready under a header.
        """
        if height <= max(self.height, self.refused) or self.prover.anchor_for(height) is None:
            return False
        # Batches that come while the anchor is under way wait for it too.
        if self.wanted == height:
            return True
        return batches >= LEAST_BATCHES or count(height) >= LEAST_BATCHES

    def want(self, height: Height) -> None:
        """Ask for a header to be anchored. Of several, the newest is."""
        self.wanted = height if self.wanted is None else max(self.wanted, height)

    def refuse(self, height: Height) -> None:
        """Note that a header can't be anchored or that its anchor is gone.

        Deliveries under it carry whole proofs.
        """
        self.refused = max(self.refused, height)
        self.wanted = None

    def shorten(self, height: Height, proof: bytes) -> bytes | None:
        """Return the short form of a proof; None where the whole one is needed.

        There is one while the proof's header is the anchored one.
        """
        if height != self.height or height <= self.refused:
            return None
        return self.prover.to_anchored(height, proof)
