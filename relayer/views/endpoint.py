# SPDX-License-Identifier: MIT
"""An endpoint and what it is joined to, as `endpoint list` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from relayer.endpoint.view import EndpointView, RemoteView


class ListedAdmin(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with the admin's role, and how long each of their changes waits."""

    account: bytes
    delay_s: int


class ListedRemote(msgspec.Struct, frozen=True, kw_only=True):
    """A remote endpoint that is registered.

    Attributes:
        chain: its configured name.
        endpoint_id: 32 bytes.
        client: the address of its light client.
        status: `active`, `expired` or `frozen`; None where there is no light client of ours at the address,
            and so with `height`, `expires_at` and `kind`.
        height: its trusted height, in what its consensus counts by.
        expires_at: when it stops believing anything, unless it is updated before.
        kind: its contract.
        details: what this kind of light client has besides.
        paused: whether its guardian has paused it.
        retired: whether it was retired for good.
    """

    chain: str
    endpoint_id: bytes
    client: bytes
    status: str | None
    height: int | None
    expires_at: int | None
    kind: str | None
    details: Mapping[str, Any]
    paused: bool
    retired: bool


class ListedEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint. Without one yet, only `chain` is told."""

    chain: str
    gateway: bytes | None = None
    endpoint_id: bytes | None = None
    authority: bytes | None = None
    admins: tuple[ListedAdmin, ...] = ()
    remotes: tuple[ListedRemote, ...] = ()


def listed_endpoint(name: str, view: EndpointView | None) -> ListedEndpoint:
    """Return a chain's endpoint as it is listed; None stands for no endpoint yet."""
    if view is None:
        return ListedEndpoint(chain=name)
    admins = (ListedAdmin(account=admin.account, delay_s=admin.delay_s) for admin in view.admins)
    return ListedEndpoint(
        chain=name,
        gateway=view.located.gateway,
        endpoint_id=view.located.endpoint_id,
        authority=view.authority or None,
        admins=tuple(admins),
        remotes=tuple(_listed_remote(remote) for remote in view.remotes),
    )


def _listed_remote(remote: RemoteView) -> ListedRemote:
    client = remote.client
    return ListedRemote(
        chain=remote.name,
        endpoint_id=remote.endpoint_id,
        client=remote.client_address,
        status=None if client is None else client.status.name.lower(),
        height=None if client is None else client.height,
        expires_at=None if client is None else client.timestamp + client.trusting_period_s,
        kind=None if client is None else client.contract,
        details={} if client is None else dict(client.details()),
        paused=remote.is_paused,
        retired=remote.is_retired,
    )
