# SPDX-License-Identifier: MIT
"""What to offer for gas: never above the operator's limit, never more than the chain asks for, and higher
only where it was too low. Pure.

Where the chain has a base fee, transactions are of type 2 (EIP-1559); where it has none, of type 0 with one
price. Where gas is free, the price is 0, and stays 0 when a transaction is replaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from relayer.chains.base import GasMarket, GasPrice
from relayer.errors import FeeLimitReached

#: The tip where the operator chose none: what nodes suggest, up to this.
DEFAULT_TIP_WEI: Final = 1_000_000_000
#: A node drops a replacement unless both prices are a tenth higher; an eighth leaves room for its rounding.
_RAISE_NUMERATOR: Final = 9
_RAISE_DENOMINATOR: Final = 8

#: After so many blocks a verified header bounds the base fee no more.
_MOST_BLOCKS: Final = 128
#: About what a delivery takes before the first one tells: header, signatures and proofs, and a message.
DELIVERY_GAS: Final = 300_000
#: People are warned when an account's balance is enough for fewer deliveries than this.
LOW_DELIVERIES: Final = 20


@dataclass(frozen=True, slots=True)
class PricePolicy:
    """The operator's limits for a unit of gas, in wei.

    Attributes:
        max_fee_wei: the most for the whole price; 0 where only free gas is taken.
        tip_wei: the tip within it; None for what nodes suggest, up to `DEFAULT_TIP_WEI`.
    """

    max_fee_wei: int
    tip_wei: int | None = None


def compute_price(market: GasMarket, policy: PricePolicy) -> GasPrice:
    """Return what a new transaction offers. With a base fee there is room for it to double.

    Raises:
        FeeLimitReached: the chain asks for more than the operator allows.
    """
    base = market.base_fee_wei
    if base is None:
        if market.suggested_wei > policy.max_fee_wei:
            raise _above_limit(f"a gas price of {market.suggested_wei} wei", policy)
        return GasPrice(market.suggested_wei, market.suggested_wei, is_legacy=True)
    if base > policy.max_fee_wei:
        raise _above_limit(f"a base fee of {base} wei", policy)
    tip = min(market.suggested_wei, DEFAULT_TIP_WEI) if policy.tip_wei is None else policy.tip_wei
    most = min(2 * base + tip, policy.max_fee_wei)
    # The tip shrinks before the transaction waits: near the limit, slow is better than not at all.
    return GasPrice(most, min(tip, most - base))


def guess_delivery_wei(market: GasMarket, policy: PricePolicy) -> int:
    """Return about what a delivery costs now, whatever the limit for the price; 0 where gas is free."""
    tip = min(market.suggested_wei, DEFAULT_TIP_WEI) if policy.tip_wei is None else policy.tip_wei
    price = market.suggested_wei if market.base_fee_wei is None else market.base_fee_wei + tip
    return DELIVERY_GAS * price


def compute_raise(offered: GasPrice, market: GasMarket, policy: PricePolicy, *, demanded: bool) -> GasPrice:
    """Return what a replacement under the same nonce offers.

    Args:
        offered: the price of the signature that it replaces.
        market: what gas costs now.
        policy: the operator's limits.
        demanded: whether a node asked for a higher price. Without, a replacement of a free transaction stays
            free, which nodes of such chains take.

    Raises:
        FeeLimitReached: the replacement would have to offer more than the operator allows.
    """
    wanted = compute_price(market, policy)
    if offered.max_wei == 0 and not demanded:
        return wanted
    least_max, least_tip = _raise(offered.max_wei), _raise(offered.priority_wei)
    if least_max > policy.max_fee_wei:
        raise _above_limit(f"a replacement at {least_max} wei for a unit of gas", policy)
    most = max(wanted.max_wei, least_max)
    if wanted.is_legacy:
        return GasPrice(most, most, is_legacy=True)
    # A tip above the whole price would make the transaction invalid (EIP-1559).
    return GasPrice(most, min(max(wanted.priority_wei, least_tip), most))


def bound_base_fee(told_wei: int, proven_wei: int, blocks: int) -> int:
    """Return a base fee that a provider tells, as far as it can be true.

    A block changes it by an eighth at the most (EIP-1559), so that a verified header bounds what comes
    `blocks` blocks after it.
    """
    least = most = proven_wei
    for _ in range(min(blocks, _MOST_BLOCKS)):
        least, most = least - least // 8, most + max(most // 8, 1)
    return min(max(told_wei, least), most)


def explain_too_low(offered: GasPrice, market: GasMarket) -> str | None:
    """Return why a price can't be paid by the next block, for people; None where it can."""
    if market.base_fee_wei is not None and market.base_fee_wei > offered.max_wei:
        return f"the base fee is {market.base_fee_wei} wei, and the transaction offers {offered.max_wei} wei"
    return None


def explain_outbid(offered: GasPrice, market: GasMarket) -> str | None:
    """Return why a price may be too low in company, for people; None where it is as high as nodes suggest.

    The suggestion is a hint. So it counts only after some blocks have passed the transaction by, and moves
    the price by one step at a time.
    """
    if market.suggested_wei > offered.priority_wei:
        return (
            f"nodes suggest {market.suggested_wei} wei, and the transaction offers {offered.priority_wei} wei"
        )
    return None


def _raise(wei: int) -> int:
    return -(-wei * _RAISE_NUMERATOR // _RAISE_DENOMINATOR) + 1


def _above_limit(found: str, policy: PricePolicy) -> FeeLimitReached:
    return FeeLimitReached(
        found,
        f"at most max_fee_gwei = {policy.max_fee_wei / 10**9:g} ({policy.max_fee_wei} wei)",
        "Raise the chain's max_fee_gwei, or wait for a lower price",
    )
