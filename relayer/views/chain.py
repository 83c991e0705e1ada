# SPDX-License-Identifier: MIT
"""A chain that the relayer serves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from relayer.views.account import AccountView, account_view
from relayer.views.policy import PolicyView, policy_view
from relayer.views.provider import ProviderView, provider_view

if TYPE_CHECKING:
    from relayer.chains.provider_pool import ProviderHealth
    from relayer.consensus.kind import ConsensusKind
    from relayer.pipeline.chain_task import ChainTask
    from relayer.pipeline.destination import Destination


class ChainView(msgspec.Struct, frozen=True, kw_only=True):
    """A chain at work. Heights are block numbers, timestamps those of the blocks.

    Attributes:
        name: as configured.
        consensus: the name of its kind of consensus; None where whoever takes the view does not know it.
        endpoint_id: 32 bytes, what lanes name it by.
        gateway: 20 bytes.
        head_height: the newest block that a provider tells of, unverified; None before the first.
        head_timestamp: that block's time.
        verified_height: the newest header that our light client has verified; 0 before the first.
        verified_timestamp: that header's time.
        scanned_height: the block up to which the gateway's logs are read.
        open_transactions: how many transactions of ours are signed and not settled.
        accounts: those that sign there, as far as they were read.
        providers: in the configured order.
        policy: what the operator allows.
    """

    name: str
    consensus: str | None
    endpoint_id: bytes
    gateway: bytes
    head_height: int | None
    head_timestamp: int | None
    verified_height: int
    verified_timestamp: int
    scanned_height: int
    open_transactions: int
    accounts: tuple[AccountView, ...]
    providers: tuple[ProviderView, ...]
    policy: PolicyView


def chain_view(
    task: ChainTask,
    destination: Destination,
    *,
    kind: ConsensusKind | None = None,
    providers: Iterable[ProviderHealth] = (),
) -> ChainView:
    """Return the view of a chain by its two parts in the pipeline, and by what only its opener knows."""
    head = task.watcher.newest
    return ChainView(
        name=task.chain.name,
        consensus=None if kind is None else kind.name,
        endpoint_id=task.chain.endpoint_id,
        gateway=task.chain.gateway,
        head_height=None if head is None else head.number,
        head_timestamp=None if head is None else head.timestamp,
        verified_height=task.verified_height,
        verified_timestamp=task.verified_timestamp,
        scanned_height=task.scanner.scanned,
        open_transactions=len(list(task.sender.transactions)),
        accounts=tuple(account_view(task.sender, address) for address in task.chain.senders),
        providers=tuple(provider_view(health) for health in providers),
        policy=policy_view(destination),
    )
