# SPDX-License-Identifier: MIT
"""A node's answers are decoded, and ranges of logs that it refuses are halved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from relayer.chains.base import GasMarket
from relayer.contracts import load
from relayer.errors import CallReverted, RpcAnswerInvalid, RpcRefused
from tests.support.rpc import node_answering


async def test_a_revert_is_decoded() -> None:
    data = load("Gateway").errors
    selector = next(key for key, error in data.items() if error.name == "RemoteUnknown")
    refusal = RpcRefused(3, "execution reverted", data=selector + b"\x07" * 32)
    with pytest.raises(CallReverted) as caught:
        await node_answering({"eth_call": refusal}).call(b"\x01" * 20, b"")
    assert caught.value.name == "RemoteUnknown"
    assert b"\x07" * 32 in caught.value.arguments.values()


@pytest.mark.parametrize("answer", [None, "0xzz", 7, "12", "0x"])
async def test_a_number_that_is_none_is_refused(answer: object) -> None:
    with pytest.raises(RpcAnswerInvalid):
        await node_answering({"eth_chainId": answer}).chain_id()


async def test_logs_are_asked_for_in_halves_where_a_range_is_refused() -> None:
    asked: list[tuple[int, int]] = []

    def answer(params: Sequence[Any]) -> Any:
        first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        asked.append((first, last))
        return (
            RpcRefused(-32005, "too many")
            if last - first > 2
            else [{"block": block} for block in range(first, last + 1)]
        )

    logs = await node_answering({"eth_getLogs": answer}).logs(b"\x01" * 20, [b"\x02" * 32], 0, 9)
    assert [log["block"] for log in logs] == list(range(10))
    assert (0, 9) in asked


@pytest.mark.parametrize(
    ("base", "answers", "market"),
    [
        ("0x7", {"eth_maxPriorityFeePerGas": "0x5", "eth_gasPrice": "0xc"}, GasMarket(7, 5)),
        ("0x0", {"eth_maxPriorityFeePerGas": "0x0", "eth_gasPrice": "0x0"}, GasMarket(0, 0)),
        # A node's least price, which the base fee and the tip don't reach.
        ("0x7", {"eth_maxPriorityFeePerGas": "0x0", "eth_gasPrice": "0x3e8"}, GasMarket(7, 1000)),
        (None, {"eth_gasPrice": "0x9"}, GasMarket(None, 9)),
        # Some chains have no use for a price, and their nodes no method for it.
        (
            "0x7",
            {
                "eth_maxPriorityFeePerGas": RpcRefused(-32601, "no such method"),
                "eth_gasPrice": RpcRefused(-32601, "no such method"),
            },
            GasMarket(7, 0),
        ),
    ],
)
async def test_what_gas_costs_is_the_base_fee_and_a_suggestion(
    base: str | None, answers: dict[str, Any], market: GasMarket
) -> None:
    block = {"number": "0x1"} | ({} if base is None else {"baseFeePerGas": base})
    assert await node_answering({"eth_getBlockByNumber": block, **answers}).market() == market
