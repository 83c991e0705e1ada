# SPDX-License-Identifier: MIT
"""A running relayer as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from relayer.views.chain import ChainView, chain_view
from relayer.views.client import LightClientView, light_client_view
from relayer.views.lane import LaneView, lane_view

if TYPE_CHECKING:
    from relayer.chains.provider_pool import ProviderHealth
    from relayer.consensus.kind import ConsensusKind
    from relayer.pipeline.pipeline import Pipeline


class RelayerView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a relayer works on.

    `at` is the moment, in seconds since 1970; `clients` are those read so far.
    """

    at: float
    chains: tuple[ChainView, ...] = ()
    lanes: tuple[LaneView, ...] = ()
    clients: tuple[LightClientView, ...] = ()


def relayer_view(
    pipeline: Pipeline,
    at: float,
    *,
    kinds: Mapping[str, ConsensusKind] | None = None,
    providers: Mapping[str, Iterable[ProviderHealth]] | None = None,
) -> RelayerView:
    """Return the view of a pipeline at a moment, from memory alone.

    `kinds` and `providers` are by chain: the pipeline knows neither the kinds of consensus nor how a chain is
    asked.
    """
    kinds, providers = kinds or {}, providers or {}
    chains = (
        chain_view(task, pipeline.destinations[name], kind=kinds.get(name), providers=providers.get(name, ()))
        for name, task in pipeline.chain_tasks.items()
    )
    clients = (
        light_client_view(source, destination, task.client, kind=kinds.get(source))
        for (source, destination), task in pipeline.client_tasks.items()
        if task.client is not None
    )
    return RelayerView(
        at=at,
        chains=tuple(chains),
        lanes=tuple(
            lane_view(lane_task.progress, lane_task.waits_in_flight()) for lane_task in pipeline.lane_tasks
        ),
        clients=tuple(clients),
    )
