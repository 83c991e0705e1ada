# SPDX-License-Identifier: MIT
"""How much gas a delivery asks for, and what is learnt from receipts."""

from __future__ import annotations

from relayer.pipeline.rules.batching import full_messages
from relayer.pipeline.rules.gas import MOST_TRANSACTION_GAS, GasModel
from relayer.protocol.batch import calldata_gas
from tests.unit.pipeline.rules.samples import make_page


def test_an_estimate_leaves_the_last_recipient_its_minimum() -> None:
    """The inbox's rule against starving: both frames keep a 64th."""
    model, data = GasModel(150_000), b"\x01" * 1_000
    messages = full_messages(make_page(3, gas_limit=500_000), 0b111)
    estimate = model.estimate(data, messages, most=MOST_TRANSACTION_GAS)
    cost = calldata_gas(data).standard
    left = estimate - 21_000 - cost - model.base - 3 * model.per_message
    assert left * (63 / 64) ** 2 >= 500_000
    assert model.estimate(data, messages, most=300_000) == 300_000


def test_what_deliveries_have_cost_is_learned() -> None:
    model, data = GasModel(150_000), b"\x01" * 1_000
    cost = 21_000 + calldata_gas(data).standard
    for _ in range(40):
        model.learn(data, 1, cost + 65_000)
        model.learn(data, 200, cost + 60_000 + 200 * 5_000)
    assert 55_000 < model.base < 65_000
    assert 4_500 < model.per_message < 5_500
    assert model.is_worth_sending(40)
    assert not model.is_worth_sending(10)
    before = (model.base, model.per_message)
    model.learn(data, 0, 50_000)
    assert (model.base, model.per_message) == before


def test_an_estimate_never_goes_below_the_calldata_floor() -> None:
    """EIP-7623: a transaction pays at least its floor."""
    model = GasModel(base=0, per_message=0)
    data = b"\x01" * 100_000
    assert model.estimate(data, [], most=10**9) >= 21_000 + calldata_gas(data).floor
