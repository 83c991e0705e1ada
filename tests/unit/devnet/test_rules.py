# SPDX-License-Identifier: MIT
"""The words of a spec line that say what rules a chain has, whatever its consensus."""

from __future__ import annotations

import pytest

from relayer.devnet.errors import SpecError
from relayer.devnet.rules import EMPTY_BLOCK_PERIOD_S, LEGACY_GAS_PRICE_WEI, ChainRules, take_rules


@pytest.mark.parametrize(
    ("options", "rules", "rest"),
    [
        ([], ChainRules(), ()),
        (["ibft2", "7"], ChainRules(), ("ibft2", "7")),
        (["free"], ChainRules(free=True), ()),
        (["ibft2", "legacy", "7"], ChainRules(legacy=True), ("ibft2", "7")),
        (["berlin", "legacy"], ChainRules(legacy=True, hardfork="berlin"), ()),
        (["cancun", "free"], ChainRules(free=True, hardfork="cancun"), ()),
        (["lazy"], ChainRules(empty_block_period_s=EMPTY_BLOCK_PERIOD_S), ()),
        (
            ["lazy5", "tx64k", "unpaid"],
            ChainRules(empty_block_period_s=5, max_tx_bytes=65_536, unpaid=True),
            (),
        ),
        (["giant", "bigcode"], ChainRules(giant=True, bigcode=True), ()),
        # What is no word of ours is left for the kind, which says so.
        (["lazy0", "tx0k", "tx64", "Free", ""], ChainRules(), ("lazy0", "tx0k", "tx64", "Free", "")),
    ],
)
def test_words_become_rules_and_leave_the_rest(
    options: list[str], rules: ChainRules, rest: tuple[str]
) -> None:
    assert take_rules("a", options) == (rules, rest)
    assert take_rules("a", rules.words) == (rules, ())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["free", "free"], "the option 'free' of chain 'a', where another one says that"),
        (["lazy", "lazy5"], "the option 'lazy5' of chain 'a'"),
        (["legacy", "berlin", "cancun"], "the option 'cancun' of chain 'a'"),
        (["berlin"], "Berlin's rules on a chain with a base fee .expected legacy and berlin together"),
    ],
)
def test_what_contradicts_itself_is_refused(options: list[str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        take_rules("a", options)


@pytest.mark.parametrize(
    ("rules", "base_fee_wei", "gas_price_wei", "hardfork"),
    [
        (ChainRules(), None, None, "prague"),
        (ChainRules(free=True), 0, 0, "prague"),
        (ChainRules(legacy=True), 0, LEGACY_GAS_PRICE_WEI, "prague"),
        (ChainRules(legacy=True, free=True), 0, 0, "prague"),
        # With Berlin's rules anvil knows no base fee that it could keep.
        (ChainRules(legacy=True, hardfork="berlin"), None, LEGACY_GAS_PRICE_WEI, "berlin"),
    ],
)
def test_what_gas_costs(
    rules: ChainRules, base_fee_wei: int | None, gas_price_wei: int | None, hardfork: str
) -> None:
    assert (rules.base_fee_wei, rules.gas_price_wei, rules.hardfork) == (
        base_fee_wei,
        gas_price_wei,
        hardfork,
    )
