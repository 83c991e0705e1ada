# SPDX-License-Identifier: MIT
"""Anchoring: several deliveries under one costly header pay for its signature once.

A header's proof may carry the header's signature (whole), or refer to a state root that the client has anchored (short).
Where two batches or more wait for one header, an `anchor` transaction is sent first, and short proofs follow. The anchored
root moves on: a short proof that the destination refuses is replaced by the whole one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from light_clients.client import Height
from relayer.consensus.base import OnChainClient, Prover

#: Where a header is proven by an aggregate signature, an anchor costs some 220,000 gas, and saves each delivery some
#: 178,000 (docs/explanation/gas.md).
LEAST_BATCHES = 2


@dataclass(slots=True)
class Anchoring:
    """What is known of a client's anchor, and which header is to be anchored next."""

    prover: Prover
    height: Height = Height(0)  # noqa: RUF009  a number
    """The anchored block, as it was read last."""
    wanted: Height | None = None
    """The block whose header an anchor transaction is to be sent for."""
    refused: Height = Height(0)  # noqa: RUF009  as above
    """Up to this block nothing can be anchored any more."""
    counts: list[Callable[[Height], int]] = field(default_factory=list)
    """How many batches each lane has ready under a header."""

    def read(self, client: OnChainClient) -> None:
        """Take what the client says."""
        self.height = client.anchored
        if self.wanted is not None and self.wanted <= self.height:
            self.wanted = None

    def is_worth_it(self, height: Height, batches: int) -> bool:
        """Whether batches under a header should wait until it is anchored. `batches` are those that one lane would send
        now; what other lanes have ready is added.
        """
        if height <= max(self.height, self.refused) or self.prover.anchor_for(height) is None:
            return False
        if self.wanted == height:
            return True
        return batches >= LEAST_BATCHES or sum(count(height) for count in self.counts) >= LEAST_BATCHES

    def want(self, height: Height) -> None:
        """Have a header anchored; the newest that is asked for."""
        self.wanted = height if self.wanted is None else max(self.wanted, height)

    def refuse(self, height: Height) -> None:
        """A header can't be anchored, or its anchor is gone: deliveries under it carry whole proofs."""
        self.refused = max(self.refused, height)
        self.wanted = None

    def shorten(self, height: Height, proof: bytes) -> bytes | None:
        """The short form of a proof while its header is the anchored one; None where the whole one is needed."""
        if height != self.height or height <= self.refused:
            return None
        return self.prover.to_anchored(height, proof)
