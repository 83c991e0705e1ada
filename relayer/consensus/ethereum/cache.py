# SPDX-License-Identifier: MIT
"""What was verified once and may be needed again: signed headers, best updates by period, committees by root.

Nothing here is trusted state, and none of it survives a restart. What is not in the cache has to be asked for
again, or proven at a newer header; so its sizes decide how often that happens, and never what is true.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeVar

from light_clients.client import Height
from light_clients.ethereum.codec import FinalizingUpdate
from light_clients.ethereum.config import Period, Slot
from light_clients.ethereum.containers import LightClientUpdate, SyncCommittee
from relayer.consensus.ethereum.headers import SignedHeader

K = TypeVar("K")
V = TypeVar("V")

#: Verified headers that proofs and anchors can be made of.
MOST_HEADERS: Final = 64
#: What clients on destinations that lag by some periods need.
MOST_UPDATES_KEPT: Final = 8
MOST_COMMITTEES_KEPT: Final = 8


class EthereumCache:
    """The cache of one proof-of-stake chain. The oldest entries go first when it is full.

    Attributes:
        refused: a signed header that contradicts the trusted one of its slot while that one's signature is
            not at hand, as after a restart. It is not believed. With that signature the two are a proof.
    """

    def __init__(self) -> None:
        self._headers: OrderedDict[Height, SignedHeader] = OrderedDict()
        self._updates: OrderedDict[Period, LightClientUpdate] = OrderedDict()
        self._committees: OrderedDict[bytes, SyncCommittee] = OrderedDict()
        self.refused: SignedHeader | None = None

    def header(self, number: Height) -> SignedHeader | None:
        """The verified header of an execution block; None where it is not, or no longer, kept."""
        return self._headers.get(number)

    def signed_at(self, slot: Slot) -> SignedHeader | None:
        """The header of a slot that was seen with its signature: a verified one, or else the refused one."""
        for signed in self._headers.values():
            if signed.slot == slot:
                return signed
        return self.refused if self.refused is not None and self.refused.slot == slot else None

    def first_signed_since(self, period: Period) -> Height | None:
        """The lowest block whose header was signed in a period or a later one; None where none is kept."""
        return min(
            (signed.number for signed in self._headers.values() if signed.period >= period), default=None
        )

    def update(self, period: Period) -> LightClientUpdate | None:
        """The update of a period that was followed."""
        return self._updates.get(period)

    def committee(self, root: bytes) -> SyncCommittee | None:
        """A committee by its root, 32 bytes."""
        return self._committees.get(root)

    def signed_updates(self, period: Period) -> list[FinalizingUpdate]:
        """What a contradiction may be in: the updates of all headers, of the refused one, and of a period."""
        found: list[FinalizingUpdate] = [signed.update for signed in self._headers.values()]
        if self.refused is not None:
            found.append(self.refused.update)
        update = self.update(period)
        return found if update is None else [*found, update]

    def keep_header(self, signed: SignedHeader) -> None:
        """Keep a verified header. The same header signed again changes nothing: proofs and anchors have the
        first signature already, and would not match another.
        """
        kept = self._headers.get(signed.number)
        if kept is None or kept.header.beacon != signed.header.beacon:
            _keep(self._headers, signed.number, signed, MOST_HEADERS)

    def keep_update(self, period: Period, update: LightClientUpdate) -> None:
        """Keep the update of a period that was followed."""
        _keep(self._updates, period, update, MOST_UPDATES_KEPT)

    def keep_committee(self, committee: SyncCommittee) -> None:
        """Keep a committee whose root is trusted."""
        _keep(self._committees, committee.hash_tree_root(), committee, MOST_COMMITTEES_KEPT)


def _keep(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
