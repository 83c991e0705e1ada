# SPDX-License-Identifier: MIT
"""A provider serves the chain that is meant, or is never asked again."""

from __future__ import annotations

from typing import Any

import pytest

from relayer.chains.evm.probe import make_probe
from relayer.errors import (
    WrongChain,
)
from tests.support.rpc import Handler
from tests.unit.chains.provider_bench import ProviderBench, keep

pytestmark = pytest.mark.network


def chain(chain_id: int, genesis: bytes | None) -> Handler:
    def handler(method: str, _: list[Any]) -> Any:
        if method == "eth_chainId":
            return hex(chain_id)
        if method == "eth_getBlockByNumber":
            return None if genesis is None else {"hash": "0x" + genesis.hex()}
        return "served"

    return handler


async def test_a_provider_of_another_chain_is_excluded_for_good(provider_bench: ProviderBench) -> None:
    stranger = await provider_bench.server(chain(5, b"\1" * 32))
    reset = await provider_bench.server(chain(7, b"\2" * 32))
    right = await provider_bench.server(chain(7, b"\1" * 32))
    pool = provider_bench.pool(stranger, reset, right, probe=make_probe("court", 7, b"\1" * 32))
    for _ in range(3):
        assert await pool.call("m", [], keep) == "served"
    assert stranger.methods == ["eth_chainId"]
    assert reset.methods == ["eth_chainId", "eth_getBlockByNumber"]
    assert right.methods == ["eth_chainId", "eth_getBlockByNumber", "m", "m", "m"]
    assert [health.wrong_chain for health in pool.health()] == [True, True, False]
    assert [kind for _, kind in provider_bench.errors] == ["wrong_chain", "wrong_chain"]


async def test_with_only_other_chains_the_configuration_is_wrong(provider_bench: ProviderBench) -> None:
    pool = provider_bench.pool(
        await provider_bench.server(chain(5, None)), probe=make_probe("court", 7, b"\1" * 32)
    )
    with pytest.raises(
        WrongChain, match=r"127\.0\.0\.1:\d+: a provider for court of chain id 5 \(expected chain id 7\)"
    ):
        await pool.call("m", [], keep)


async def test_a_provider_without_its_genesis_block_will_do(provider_bench: ProviderBench) -> None:
    pool = provider_bench.pool(
        await provider_bench.server(chain(7, None)), probe=make_probe("court", 7, b"\1" * 32)
    )
    assert await pool.call("m", [], keep) == "served"
