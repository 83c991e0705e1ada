# SPDX-License-Identifier: MIT
"""What to offer for gas (EIP-1559): never above the operator's limit,
and by bounded steps when a price was too low.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from relayer.errors import FeeLimitReached

# Nodes drop a replacement that does not offer a tenth more for both; an eighth leaves room for their
# rounding.
_BUMP_NUMERATOR: Final = 9
_BUMP_DENOMINATOR: Final = 8


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """The operator's limits for a unit of gas, in wei."""

    max_fee_wei: int
    priority_fee_wei: int


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers for a unit of gas, in wei. `max_wei` holds `priority_wei`."""

    max_wei: int
    priority_wei: int


def compute_fees(base_fee_wei: int, policy: FeePolicy) -> Fees:
    """What to offer at a base fee: room for it to double, within the limit.

    Raises FeeLimitReached when the limit does not even cover the base fee of now.
    """
    if base_fee_wei > policy.max_fee_wei:
        raise FeeLimitReached(
            f"a base fee of {base_fee_wei} wei",
            f"at most max_fee = {policy.max_fee_wei} wei",
            "Raise the chain's max_fee_gwei, or wait for a lower price",
        )
    most = min(2 * base_fee_wei + policy.priority_fee_wei, policy.max_fee_wei)
    # The tip shrinks before the transaction waits: near the limit, slow is better than not at all.
    return Fees(most, min(policy.priority_fee_wei, most - base_fee_wei))


def compute_bumped_fees(offered: Fees, base_fee_wei: int, policy: FeePolicy) -> Fees:
    """What a replacement has to offer. Raises FeeLimitReached when that is above the limit."""
    least_max, least_priority = _bump(offered.max_wei), _bump(offered.priority_wei)
    if least_max > policy.max_fee_wei or base_fee_wei > policy.max_fee_wei:
        raise FeeLimitReached(
            f"a replacement at {max(least_max, base_fee_wei)} wei for a unit of gas",
            f"at most max_fee = {policy.max_fee_wei} wei",
            "Raise the chain's max_fee_gwei, or wait until the transaction is included or dropped",
        )
    wanted = compute_fees(base_fee_wei, policy)
    most = max(wanted.max_wei, least_max)
    return Fees(most, min(max(wanted.priority_wei, least_priority), most))


def _bump(wei: int) -> int:
    return -(-wei * _BUMP_NUMERATOR // _BUMP_DENOMINATOR) + 1
