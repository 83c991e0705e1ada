# SPDX-License-Identifier: MIT
"""Which protocol a block is sealed by, and at which block a chain went from one to another.

Besu can go from IBFT 2.0 to QBFT at a block, and GoQuorum from its `ibft` to QBFT. The validators stay, and
so does trust in them; only what they sign changes its form.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.errors import Rejection
from relayer.consensus.bft.config import LABELS, NAMES


@dataclass(frozen=True, slots=True)
class ProtocolChange:
    """Where a chain went to the protocol that it has now.

    Attributes:
        before: the protocol of the block before; None where there is none, or none that is known.
        after: the protocol from then on.
        first: the first block of it.
    """

    before: BftKind | None
    after: BftKind
    first: int

    def __str__(self) -> str:
        """What happened, for people."""
        if self.first == 1:
            return f"{LABELS[self.after]} blocks from block 1 on"
        before = "a protocol that is not known" if self.before is None else LABELS[self.before]
        return f"{before} until block {self.first - 1} and {LABELS[self.after]} from block {self.first} on"

    @property
    def setting(self) -> str:
        """What tells it, in the chain's table of consensus."""
        if self.before is None:
            return f'protocol = "{NAMES[self.after]}"'
        then = f'then = {{ protocol = "{NAMES[self.after]}", from_height = {self.first} }}'
        return f'protocol = "{NAMES[self.before]}" and {then}'


def sealed_as(block: Mapping[str, Any]) -> BftHeader | None:
    """Return the header of a block by the protocol that a validator of its own list sealed it by.

    None where there is no such protocol. The forms of extraData are alike: the hash of the block tells the
    protocols apart, and so does the hash that the seals sign.
    """
    for kind in BftKind:
        try:
            header = BftHeader.from_rpc(block, kind)
        except Rejection:
            continue
        if header.sealers():
            return header
    return None


async def find_change(
    block_at: Callable[[int], Awaitable[Mapping[str, Any]]], newest: BftHeader, known: int = 0
) -> ProtocolChange:
    """Return where a chain went to the protocol of its newest block.

    The range is halved, so that it takes as many blocks as the height has bits, at the most. A chain that had
    the protocol, left it and came back to it is said to have come at one of these blocks.

    Args:
        block_at: asks for a block by its number.
        newest: the newest block, as `sealed_as` reads it.
        known: a block that is known to be of another protocol; block 0 has no seals and so is of none.
    """
    low, high = known, int(newest.number)
    while high - low > 1:
        middle = (low + high) // 2
        header = sealed_as(await block_at(middle))
        if header is not None and header.kind is newest.kind:
            high = middle
        else:
            low = middle
    last = sealed_as(await block_at(low)) if low else None
    return ProtocolChange(None if last is None else last.kind, newest.kind, high)
