# SPDX-License-Identifier: MIT
"""An RPC provider of a chain, and how it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from relayer.chains.provider_pool import ProviderHealth


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """One of a chain's providers.

    Attributes:
        label: host and port, never a path or a secret.
        cost: what orders providers, the lowest is asked first. It rises by failures and slowness, and decays.
        latency_s: a moving average; None before the first answer.
        failures: since the process began.
        is_excluded: it serves another chain, and is not asked again.
    """

    label: str
    cost: float
    latency_s: float | None
    failures: int
    is_excluded: bool


def provider_view(health: ProviderHealth) -> ProviderView:
    """Return the view of a provider by its health, as the chain's pool tells it."""
    return ProviderView(
        label=health.label,
        cost=health.cost,
        latency_s=health.latency_s,
        failures=health.failures,
        is_excluded=health.wrong_chain,
    )
