# SPDX-License-Identifier: MIT
"""The seam: what the protocol asks of the light client of any kind of consensus, as `ILightClient` asks it on
chain.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NewType, Protocol, Self

#: What a chain counts its headers by: the number of an execution block. It is never a sequence and never a
#: beacon slot.
Height = NewType("Height", int)
#: Seconds since 1970, as headers carry them.
Timestamp = NewType("Timestamp", int)


class Status(enum.IntEnum):
    """Whether a client believes anything at the moment; the numbers are those of `ILightClient.Status`."""

    ACTIVE = 0
    EXPIRED = 1
    FROZEN = 2


@dataclass(frozen=True, slots=True)
class StorageValue:
    """The content of a storage slot, proven.

    Attributes:
        value: 32 bytes; zero when it is proven that the slot is absent.
        height: the block number of the header that proves it.
        timestamp: the time of that header, in seconds.
    """

    value: bytes
    height: Height
    timestamp: Timestamp


class LightClient(Protocol):
    """A light client of one remote chain.

    It is immutable: whatever moves trusted state returns a new client, which the caller has to keep. Every
    method that depends on time takes it as `now`: the time of the chain that the client serves, in seconds.
    """

    def storage_at(self, proof: bytes, account: bytes, slot: bytes, now: Timestamp) -> StorageValue:
        """Return the proven value of a storage slot (32 bytes) of an account (20 bytes).

        An absent slot is proven to be zero. An absent account is rejected, for it has no storage to speak of.

        Raises:
            Rejection: the proof is not believed, or the client is not Active.
        """
        ...

    def update(self, data: bytes, now: Timestamp) -> Self:
        """Return the client whose trusted state this update moves. Trusted state moves in no other way.

        Raises:
            Rejection: the update is not believed, or the client is not Active.
        """
        ...

    def anchor(self, data: bytes, now: Timestamp) -> Self:
        """Return the client with the header's state root as its anchor, to which later proofs can refer.

        Raises:
            Rejection: the header is not believed or not above the last anchor, or the client is not Active.
        """
        ...

    def freeze(self, data: bytes) -> Self:
        """Return the frozen client, where the bytes prove misbehaviour. An expired client can be frozen, too.

        Raises:
            Rejection: they prove none, or the client is frozen already.
        """
        ...

    def status(self, now: Timestamp) -> Status:
        """Return whether the client is Active, Expired or Frozen at this time."""
        ...
