# SPDX-License-Identifier: MIT
"""An account that runs low or empty is told before and while it cannot pay, once, until it is filled up."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from relayer.chains.base import Call, GasMarket
from relayer.errors import InsufficientFunds
from relayer.journal.rows import Purpose
from relayer.journal.store import now_micros
from relayer.sending.price import DELIVERY_GAS, LOW_DELIVERIES, PricePolicy, guess_delivery_wei
from relayer.sending.sender import Sender
from relayer.sending.store import MemoryStore
from relayer.testing.chain import MemoryChain, MemoryRules

GWEI = 10**9
POLICY = PricePolicy(500 * GWEI)


def made(chain: MemoryChain) -> Sender:
    return Sender(chain, MemoryStore(), POLICY, now_micros, log=structlog.get_logger())


@pytest.mark.parametrize(
    ("market", "policy", "price"),
    [
        (GasMarket(7, 3), POLICY, 10),
        (GasMarket(7, 3 * GWEI), POLICY, 7 + GWEI),
        (GasMarket(7, 3), PricePolicy(500 * GWEI, 5), 12),
        (GasMarket(None, 3), POLICY, 3),
        (GasMarket(0, 0), POLICY, 0),
    ],
)
def test_a_delivery_is_guessed_before_the_first(market: GasMarket, policy: PricePolicy, price: int) -> None:
    assert guess_delivery_wei(market, policy) == DELIVERY_GAS * price


async def test_a_low_balance_is_warned_of_once_and_again_after_it_was_filled() -> None:
    chain = MemoryChain("a", 1)
    sender, account = made(chain), chain.senders[0]
    cost = guess_delivery_wei(await chain.market(), POLICY)
    warnings = []
    for deliveries in (
        2 * LOW_DELIVERIES,
        LOW_DELIVERIES - 1,
        3,
        LOW_DELIVERIES + 1,
        3,
        2 * LOW_DELIVERIES,
        3,
    ):
        chain.balances[account] = deliveries * cost
        with capture_logs() as logs:
            await sender.read_balances()
        warnings.append(sum(entry["event"] == "an account runs low" for entry in logs))
    assert warnings == [0, 1, 0, 0, 0, 0, 1]
    assert sender.funds.troubles(sender.transactions) == (
        f"account 0x{account.hex()} has less than 20 deliveries left",
    )


async def test_no_balance_is_low_where_gas_is_free() -> None:
    chain = MemoryChain("a", 1, rules=MemoryRules(suggested_wei=0))
    chain.base_fee_wei, chain.balances[chain.senders[0]] = 0, 0
    sender = made(chain)
    with capture_logs() as logs:
        await sender.read_balances()
    assert not logs
    assert sender.funds.troubles(sender.transactions) == ()


async def test_an_account_that_can_not_pay_shows_until_it_can() -> None:
    chain = MemoryChain("a", 1)
    sender, account = made(chain), chain.senders[0]
    chain.balances[account] = 1
    call = Call(account, b"", gas=21_000)
    with pytest.raises(InsufficientFunds):
        await sender.send(call, Purpose.OTHER)
    (trouble,) = sender.funds.troubles(sender.transactions)
    assert trouble.startswith(f"funds: account 0x{account.hex()} can't pay")
    chain.balances[account] = 10**18
    running = asyncio.create_task(sender.run())
    async with asyncio.timeout(10):
        while sender.funds.troubles(sender.transactions):  # noqa: ASYNC110  nothing tells that it changed
            await asyncio.sleep(0.05)
    running.cancel()
