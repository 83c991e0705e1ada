# SPDX-License-Identifier: MIT
"""What is offered for gas, in tables."""

from __future__ import annotations

import pytest

from relayer.chains.base import GasMarket, GasPrice
from relayer.errors import FeeLimitReached
from relayer.sending.price import (
    PricePolicy,
    bound_base_fee,
    compute_price,
    compute_raise,
    explain_outbid,
    explain_too_low,
)

GWEI = 10**9
POLICY = PricePolicy(500 * GWEI, GWEI)


@pytest.mark.parametrize(
    ("base", "suggested", "policy", "expected"),
    [
        # Room for the base fee to double, and the operator's tip.
        (10 * GWEI, 7, POLICY, GasPrice(21 * GWEI, GWEI)),
        # Near the limit the tip shrinks before the transaction waits.
        (500 * GWEI, 7, POLICY, GasPrice(500 * GWEI, 0)),
        # Where the operator chose no tip, what nodes suggest, up to 1 gwei.
        (10 * GWEI, 7, PricePolicy(500 * GWEI), GasPrice(20 * GWEI + 7, 7)),
        (10 * GWEI, 50 * GWEI, PricePolicy(500 * GWEI), GasPrice(21 * GWEI, GWEI)),
        # Free gas stays free.
        (0, 0, PricePolicy(500 * GWEI), GasPrice(0, 0)),
        (0, 0, PricePolicy(0), GasPrice(0, 0)),
        # Without a base fee there is one price, of type 0.
        (None, 3 * GWEI, POLICY, GasPrice(3 * GWEI, 3 * GWEI, is_legacy=True)),
        (None, 0, PricePolicy(0), GasPrice(0, 0, is_legacy=True)),
    ],
)
def test_a_new_transaction_offers(
    base: int | None, suggested: int, policy: PricePolicy, expected: GasPrice
) -> None:
    assert compute_price(GasMarket(base, suggested), policy) == expected


@pytest.mark.parametrize("market", [GasMarket(501 * GWEI, 0), GasMarket(None, 501 * GWEI)])
def test_above_the_limit_nothing_is_offered_and_the_limit_is_named(market: GasMarket) -> None:
    with pytest.raises(FeeLimitReached, match=r"max_fee_gwei = 500 .*Raise the chain's max_fee_gwei"):
        compute_price(market, POLICY)


@pytest.mark.parametrize(
    ("offered", "market", "demanded", "expected"),
    [
        # An eighth more for both, as nodes ask for a tenth.
        (GasPrice(800, 80), GasMarket(100, 0), True, GasPrice(2 * 100 + GWEI, GWEI)),
        (GasPrice(8 * GWEI, 2 * GWEI), GasMarket(GWEI, 0), True, GasPrice(9 * GWEI + 1, 9 * GWEI // 4 + 1)),
        # The market's price where that is more.
        (GasPrice(8 * GWEI, GWEI), GasMarket(20 * GWEI, 0), False, GasPrice(41 * GWEI, 9 * GWEI // 8 + 1)),
        (GasPrice(8, 8, is_legacy=True), GasMarket(None, 5), True, GasPrice(10, 10, is_legacy=True)),
    ],
)
def test_a_replacement_offers(
    offered: GasPrice, market: GasMarket, demanded: bool, expected: GasPrice
) -> None:
    assert compute_raise(offered, market, POLICY, demanded=demanded) == expected


def test_a_free_replacement_stays_free_unless_a_node_asks_for_more() -> None:
    free, market, policy = GasPrice(0, 0), GasMarket(0, 0), PricePolicy(10)
    assert compute_raise(free, market, policy, demanded=False) == GasPrice(0, 0)
    assert compute_raise(free, market, policy, demanded=True) == GasPrice(1, 1)
    with pytest.raises(FeeLimitReached):
        compute_raise(free, market, PricePolicy(0), demanded=True)


def test_a_replacement_above_the_limit_is_refused() -> None:
    with pytest.raises(FeeLimitReached, match="a replacement at"):
        compute_raise(GasPrice(500 * GWEI, GWEI), GasMarket(GWEI, 0), POLICY, demanded=True)


def test_a_tip_is_never_above_the_whole_price() -> None:
    raised = compute_raise(GasPrice(100, 100), GasMarket(1, 0), PricePolicy(120, 119), demanded=True)
    assert raised.priority_wei <= raised.max_wei <= 120


def test_a_price_is_too_low_below_the_base_fee_alone() -> None:
    assert explain_too_low(GasPrice(99, 1), GasMarket(100, 50)) is not None
    assert explain_too_low(GasPrice(100, 1), GasMarket(100, 50)) is None
    assert explain_too_low(GasPrice(1, 1), GasMarket(None, 50)) is None


def test_a_price_is_outbid_where_nodes_suggest_more() -> None:
    assert explain_outbid(GasPrice(100, 1), GasMarket(10, 2)) is not None
    assert explain_outbid(GasPrice(100, 2), GasMarket(10, 2)) is None


@pytest.mark.parametrize(
    ("told", "proven", "blocks", "expected"),
    [
        (600 * GWEI, 8, 1, 9),
        (600 * GWEI, 8, 2, 10),
        (0, 800, 1, 700),
        (750, 800, 1, 750),
        (7, 7, 0, 7),
        # A fee of 0 can rise, by a wei a block.
        (600 * GWEI, 0, 3, 3),
    ],
)
def test_a_told_base_fee_is_bounded_by_a_verified_one(
    told: int, proven: int, blocks: int, expected: int
) -> None:
    assert bound_base_fee(told, proven, blocks) == expected
