# SPDX-License-Identifier: MIT
"""A light client: what one chain believes of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from relayer.views.transaction import TransactionView

if TYPE_CHECKING:
    from relayer.consensus.base import OnChainClient
    from relayer.consensus.kind import ConsensusKind


class LightClientView(msgspec.Struct, frozen=True, kw_only=True):
    """The light client of `source` on `destination`, as read there.

    Attributes:
        source: the chain that it follows, by its configured name.
        destination: the chain that it lies on.
        consensus: the name of the source's kind of consensus; None where whoever takes the view does not know
            it.
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
    source: str, destination: str, read: OnChainClient, *, kind: ConsensusKind | None = None
) -> LightClientView:
    """Return the view of a light client that was read; `kind` is the source's kind of consensus."""
    return LightClientView(
        source=source,
        destination=destination,
        consensus=None if kind is None else kind.name,
        signers=None if kind is None else kind.signers,
        client=read.address,
        status=read.status.name.lower(),
        height=read.height,
        timestamp=read.timestamp,
        expires_at=read.timestamp + read.trusting_period_s,
        current=read.current,
        remarks=read.remarks,
    )


def unread_client_view(source: str, destination: str, kind: ConsensusKind, error: str) -> LightClientView:
    """Return the view of a light client that could not be read, with the reason."""
    return LightClientView(
        source=source, destination=destination, consensus=kind.name, signers=kind.signers, error=error
    )
