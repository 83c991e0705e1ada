# SPDX-License-Identifier: MIT
"""A provider, as it is shown."""

from __future__ import annotations

from relayer.chains.provider_pool import ProviderHealth
from relayer.views.encoding import to_plain
from relayer.views.provider import provider_view


def test_a_provider_shows_its_health() -> None:
    health = ProviderHealth("node:8545", 1e9, None, 3, wrong_chain=True)
    assert to_plain(provider_view(health)) == {
        "label": "node:8545",
        "cost": 1e9,
        "latency_s": None,
        "failures": 3,
        "is_excluded": True,
    }
