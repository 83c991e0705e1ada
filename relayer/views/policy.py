# SPDX-License-Identifier: MIT
"""What the operator allows the relayer on one destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

if TYPE_CHECKING:
    from relayer.pipeline.destination import Destination


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """The limits that deliveries to one chain keep to.

    Attributes:
        max_spend_wei_per_day: after that nothing more is signed; None for no limit.
        spent_wei: what the last 24 hours have cost, open transactions at the most that they may.
        max_batch_gas: the most gas of one delivery now; it follows the chain's block gas limit.
        max_batch_messages: the most messages of one delivery.
        max_wait_ms: how long a lone message waits for company.
    """

    max_spend_wei_per_day: int | None
    spent_wei: int
    max_batch_gas: int
    max_batch_messages: int
    max_wait_ms: int


class ChainPolicyView(PolicyView, frozen=True, kw_only=True):
    """The limits of one chain in a list of several; `chain` is its configured name."""

    chain: str

    @classmethod
    def of(cls, chain: str, policy: PolicyView) -> Self:
        """Return a chain's limits for such a list."""
        return cls(chain=chain, **msgspec.structs.asdict(policy))


def policy_view(destination: Destination) -> PolicyView:
    """Return the view of what a destination's lanes may send and spend."""
    limits = destination.limits
    return PolicyView(
        max_spend_wei_per_day=destination.spend_limit_wei,
        spent_wei=destination.spent_wei,
        max_batch_gas=limits.most_gas,
        max_batch_messages=limits.most_messages,
        max_wait_ms=limits.max_wait_us // 1_000,
    )
