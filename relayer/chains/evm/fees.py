# SPDX-License-Identifier: MIT
"""What to offer for gas (EIP-1559): never above the operator's limit, and in bounded steps when it
was too low.

Everything here is pure: base fees are given, and nothing is asked of a chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from relayer.errors import FeeLimitReached

#: A node drops a replacement unless both prices are a tenth higher; an eighth leaves room for its rounding.
_BUMP_NUMERATOR: Final = 9
_BUMP_DENOMINATOR: Final = 8


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """The operator's limits for a unit of gas, in wei: for the whole price, and for the tip within it."""

    max_fee_wei: int
    priority_fee_wei: int


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers for a unit of gas, in wei. `max_wei` includes the tip, `priority_wei`."""

    max_wei: int
    priority_wei: int


def compute_fees(base_fee_wei: int, policy: FeePolicy) -> Fees:
    """Return what to offer at a base fee: there is room for it to double, within the operator's limit.

    Raises FeeLimitReached when the limit is below the base fee.
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
    """Return what a replacement has to offer. Raises FeeLimitReached when that is above the limit."""
    least_max, least_priority = _bump(offered.max_wei), _bump(offered.priority_wei)
    if least_max > policy.max_fee_wei or base_fee_wei > policy.max_fee_wei:
        raise FeeLimitReached(
            f"a replacement at {max(least_max, base_fee_wei)} wei for a unit of gas",
            f"at most max_fee = {policy.max_fee_wei} wei",
            "Raise the chain's max_fee_gwei, or wait until the transaction is included or dropped",
        )
    wanted = compute_fees(base_fee_wei, policy)
    most = max(wanted.max_wei, least_max)
    # A tip above the whole price would make the transaction invalid (EIP-1559).
    return Fees(most, min(max(wanted.priority_wei, least_priority), most))


def _bump(wei: int) -> int:
    return -(-wei * _BUMP_NUMERATOR // _BUMP_DENOMINATOR) + 1
