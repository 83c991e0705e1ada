# SPDX-License-Identifier: MIT
"""JSON-RPC over several providers: which refusals are final, checked shapes, batches, everyone's answers."""

from __future__ import annotations

from typing import Any

import pytest

from light_clients.errors import HeaderRejected
from relayer.chains.rpc_pool import Answer
from relayer.errors import (
    ChainUnavailable,
    RangeRefused,
    RpcRefused,
    RpcUnavailable,
)
from relayer.retry import RetryPolicy
from tests.unit.chains.provider_bench import ProviderBench, keep, raw, refuse

pytestmark = pytest.mark.network


async def test_a_revert_is_an_answer_and_not_asked_twice(provider_bench: ProviderBench) -> None:
    servers = [await provider_bench.server(refuse(3, "execution reverted", "0x01020304")) for _ in range(2)]
    pool = provider_bench.pool(*servers, policy=RetryPolicy(attempts=3, first_wait_s=0))
    with pytest.raises(RpcRefused) as error:
        await pool.call("eth_call", [], keep)
    assert error.value.data == b"\1\2\3\4"
    assert sum(len(server.requests) for server in servers) == 1
    assert provider_bench.errors == []


async def test_a_refused_range_goes_to_the_caller_or_to_the_next_provider(
    provider_bench: ProviderBench,
) -> None:
    small = await provider_bench.server(refuse(-32005, "limit exceeded"))
    pool = provider_bench.pool(small, await provider_bench.server())
    with pytest.raises(RangeRefused):
        await pool.ask("eth_getLogs", [], keep, range_is_final=False)
    assert (await pool.ask("eth_getLogs", [], keep)).value == ["eth_getLogs", []]


async def test_another_shape_than_the_methods_is_refused(provider_bench: ProviderBench) -> None:
    pool = provider_bench.pool(await provider_bench.server(lambda _, __: {"number": 5}))
    with pytest.raises(ChainUnavailable, match="another shape"):
        await pool.call("m", [], keep, answer_type=str)


async def test_a_batch_is_checked_as_one(provider_bench: ProviderBench) -> None:
    def verify(values: list[Any]) -> Any:
        if "forged" in values:
            raise HeaderRejected("forged", found="x", expected="y")
        return values

    liar = await provider_bench.server(lambda _, params: "forged" if params == [2] else params)
    honest = await provider_bench.server(lambda _, params: params)
    pool = provider_bench.pool(liar, honest)
    assert await pool.batch([("m", [n]) for n in range(4)], verify) == [[0], [1], [2], [3]]
    assert await pool.batch([], keep) == []


async def test_everyone_is_asked_and_each_answer_kept(provider_bench: ProviderBench) -> None:
    pool = provider_bench.pool(
        await provider_bench.server(),
        await provider_bench.server(raw("no", 503)),
        await provider_bench.server(refuse(-1, "known")),
    )
    first, second, third = await pool.everyone("m", [])
    assert isinstance(first, Answer)
    assert isinstance(second, RpcUnavailable)
    assert isinstance(third, RpcRefused)
