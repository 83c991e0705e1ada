# SPDX-License-Identifier: MIT
"""A light client: what one chain believes of another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from relayer.views.transaction import TransactionView

if TYPE_CHECKING:
    from relayer.consensus.base import OnChainClient


class LightClientView(msgspec.Struct, frozen=True, kw_only=True):
    """The light client of `source` on `destination`, as read there.

    Attributes:
        source: the chain that it follows, by its configured name.
        destination: the chain that it lies on.
        consensus: the source's kind of consensus, as configured; None where whoever takes the view does not
            know it.
        signers: how people call those who sign the source's headers, in the plural; None as with `consensus`.
        client: its address, 20 bytes.
        status: `active`, `expired` or `frozen`.
        height: its trusted height, in what its consensus counts by: a block number or a slot.
        timestamp: the time of its trusted header.
        expires_at: when it stops believing anything, unless it is updated before.
        current: whether it knows who signs now.
        remarks: what its kind tells people of it, such as what a change of the signers needs; lines of text.
        error: why it could not be read. Then all that would have been read is None.
    """

    source: str
    destination: str
    consensus: str | None
    signers: str | None = None
    client: bytes | None = None
    status: str | None = None
    height: int | None = None
    timestamp: int | None = None
    expires_at: int | None = None
    current: bool | None = None
    remarks: tuple[str, ...] = ()
    error: str | None = None


class ClientUpdateView(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent to bring a light client to the newest verified header, in order."""

    source: str
    destination: str
    updates: tuple[TransactionView, ...]


def light_client_view(
    source: str,
    destination: str,
    read: OnChainClient,
    *,
    consensus: str | None = None,
    signers: str | None = None,
    remarks: Iterable[str] = (),
) -> LightClientView:
    """Return the view of a light client that was read. `signers` and `remarks` are its kind's words."""
    return LightClientView(
        source=source,
        destination=destination,
        consensus=consensus,
        signers=signers,
        client=read.address,
        status=read.status.name.lower(),
        height=read.height,
        timestamp=read.timestamp,
        expires_at=read.timestamp + read.trusting_period_s,
        current=read.current,
        remarks=tuple(remarks),
    )
