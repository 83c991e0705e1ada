# SPDX-License-Identifier: MIT
"""The seam between the protocol and a consensus, the same as `ILightClient` on chain."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NewType, Protocol, Self

#: A block number or whatever else a consensus counts by. Never a sequence, never a slot.
Height = NewType("Height", int)
#: Seconds since 1970, as headers carry them.
Timestamp = NewType("Timestamp", int)


class Status(enum.IntEnum):
    """What a client believes at the moment; the numbers are those of `ILightClient.Status`."""

    ACTIVE = 0
    EXPIRED = 1
    FROZEN = 2


@dataclass(frozen=True, slots=True)
class StorageValue:
    """A proven storage word.

    Attributes:
        value: 32 bytes; zero when the slot is proven absent.
        height: block number of the header that proves it.
        timestamp: that header's time, in seconds.
    """

    value: bytes
    height: Height
    timestamp: Timestamp


class LightClient(Protocol):
    """A light client of one remote chain. Immutable: whatever moves trusted state returns a new client.

    Every method that depends on time takes it as `now`, the time of the chain that the client serves, in seconds.
    """

    def storage_at(self, proof: bytes, account: bytes, slot: bytes, now: Timestamp) -> StorageValue:
        """Prove the value of a storage slot (32 bytes) of an account (20 bytes).

        Raises:
            Rejection: the proof is not believed. An absent account is rejected, an absent slot is zero.
        """
        ...

    def update(self, data: bytes, now: Timestamp) -> Self:
        """Move trusted state, the only way that it moves.

        Raises:
            Rejection: the update is not believed.
        """
        ...

    def anchor(self, data: bytes, now: Timestamp) -> Self:
        """Store a verified state root that proofs can refer to.

        Raises:
            Rejection: the header is not believed, or does not lie above the last anchor.
        """
        ...

    def freeze(self, data: bytes) -> Self:
        """Prove misbehaviour; the client that comes back is frozen.

        Raises:
            Rejection: it is no misbehaviour, or the client is frozen already.
        """
        ...

    def status(self, now: Timestamp) -> Status:
        """Whether the client believes anything at the moment."""
        ...
