# SPDX-License-Identifier: MIT
"""What a transaction offers to pay, and what a replacement must."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.chains.evm.fees import FeePolicy, Fees, compute_bumped_fees, compute_fees
from relayer.errors import FeeLimitReached

GWEI = 10**9
POLICY = FeePolicy(100 * GWEI, GWEI)


def test_the_offer_has_room_for_the_base_fee_to_double() -> None:
    assert compute_fees(10 * GWEI, POLICY) == Fees(21 * GWEI, GWEI)
    assert compute_fees(0, POLICY) == Fees(GWEI, GWEI)


def test_near_the_limit_the_tip_shrinks_first() -> None:
    assert compute_fees(99 * GWEI, POLICY) == Fees(100 * GWEI, GWEI)
    assert compute_fees(100 * GWEI, POLICY) == Fees(100 * GWEI, 0)


def test_above_the_limit_the_message_waits() -> None:
    with pytest.raises(FeeLimitReached, match="max_fee"):
        compute_fees(100 * GWEI + 1, POLICY)


@given(st.integers(0, 200 * GWEI), st.integers(0, 200 * GWEI), st.integers(1, 120 * GWEI))
def test_a_replacement_offers_a_tenth_more_and_stays_below_the_limit(
    before: int, base_fee: int, most: int
) -> None:
    policy = FeePolicy(most, GWEI)
    offered = Fees(before, min(before, GWEI))
    try:
        found = compute_bumped_fees(offered, base_fee, policy)
    except FeeLimitReached:
        assert base_fee > most or before * 9 // 8 + 2 > most
        return
    assert found.max_wei * 10 >= offered.max_wei * 11
    assert found.priority_wei * 10 >= offered.priority_wei * 11
    assert found.priority_wei <= found.max_wei <= most
    assert found.max_wei >= base_fee
