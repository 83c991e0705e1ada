# SPDX-License-Identifier: MIT
"""Several providers: failover, health, and what is tried again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from light_clients.errors import HeaderRejected
from relayer.chains.provider_pool import Answer, ProviderPool
from relayer.chains.rpc_pool import RpcPool
from relayer.chains.rpc_provider import ProviderUrls
from relayer.errors import (
    ChainUnavailable,
    NotFoundYet,
    PostroadError,
    RpcRefused,
    RpcUnavailable,
)
from relayer.retry import RetryPolicy
from tests.unit.chains.provider_bench import ProviderBench, keep, raw, refuse

pytestmark = pytest.mark.network


async def test_the_next_provider_is_asked_where_one_fails(provider_bench: ProviderBench) -> None:
    down = await provider_bench.server(raw("no", 503))
    up = await provider_bench.server()
    pool = provider_bench.pool(down, up)
    assert await pool.call("m", [1], keep) == ["m", [1]]
    assert [kind for _, kind in provider_bench.errors] == ["unreachable"]
    # And remembered: the failing one is not asked again at once.
    down.requests.clear()
    await pool.call("m", [2], keep)
    assert down.requests == []


async def test_a_wrong_answer_costs_the_provider_its_turn(provider_bench: ProviderBench) -> None:
    """INV-5: what our own verification rejects is asked of another provider, and the
    first one loses health.
    """

    def verify(value: Any) -> Any:
        if value == "forged":
            raise HeaderRejected("a forged header", found=value, expected="a real one")
        return value

    liar = await provider_bench.server(lambda _, __: "forged")
    slow = await provider_bench.server(lambda _, __: "real")
    pool = provider_bench.pool(liar, slow)
    assert await pool.call("m", [], verify) == "real"
    health = pool.health()
    assert health[0].cost > 20
    assert health[1].cost < 1
    assert [kind for _, kind in provider_bench.errors] == ["invalid"]
    assert await pool.call("m", [], verify) == "real"
    assert len(liar.requests) == 1


async def test_with_every_provider_lying_there_is_no_answer(provider_bench: ProviderBench) -> None:
    def verify(_: Any) -> Any:
        raise HeaderRejected("forged", found="x", expected="y")

    pool = provider_bench.pool(await provider_bench.server(), await provider_bench.server())
    with pytest.raises(ChainUnavailable, match="forged"):
        await pool.call("m", [], verify)


async def test_a_later_finding_is_charged_too(provider_bench: ProviderBench) -> None:
    pool = provider_bench.pool(await provider_bench.server(), await provider_bench.server())
    answer = await pool.ask("m", [], keep)
    pool.blame(answer.provider)
    again = await pool.ask("m", [], keep)
    assert again.provider != answer.provider
    assert (await pool.ask("m", [], keep, exclude=frozenset({again.provider}))).provider == answer.provider


async def test_what_nobody_has_is_not_found_yet(provider_bench: ProviderBench) -> None:
    def need(value: Any) -> Any:
        if value is None:
            raise NotFoundYet("no block 9")
        return value

    behind = await provider_bench.server(lambda _, __: None)
    pool = provider_bench.pool(behind, await provider_bench.server(refuse(-32000, "header not found")))
    with pytest.raises(NotFoundYet, match="block 9"):
        await pool.call("m", [], need)
    assert {kind for _, kind in provider_bench.errors} == {"missing"}
    behind.handler = lambda _, __: "here"
    assert await pool.call("m", [], need) == "here"


async def test_trouble_is_tried_again_within_bounds(provider_bench: ProviderBench) -> None:
    server = await provider_bench.server(raw("no", 503))
    pool = provider_bench.pool(server, policy=RetryPolicy(attempts=3, first_wait_s=0, jitter_s=0))
    with pytest.raises(ChainUnavailable, match="503"):
        await pool.call("m", [], keep)
    assert len(server.requests) == 3


async def test_providers_on_one_host_are_told_apart(provider_bench: ProviderBench) -> None:
    server = await provider_bench.server()
    pool = RpcPool([ProviderUrls(server.http_url + "/a"), ProviderUrls(server.http_url + "/b")])
    labels = [health.label for health in pool.health()]
    assert labels == [f"{server.http_url.removeprefix('http://')}#{n}" for n in (1, 2)]
    await pool.close()
    await pool.close()


# --- races --------------------------------------------------------------------------------------------------


@dataclass
class Racer:
    """A provider that answers, or fails, when a test lets it."""

    label: str
    answer: asyncio.Future[str]

    async def close(self) -> None:
        pass


async def race(
    *racers: Racer, patience_s: float = 30.0, longest_s: float = 30.0
) -> list[tuple[str, Answer[str] | PostroadError]]:
    pool = ProviderPool(racers)

    async def once(racer: Racer) -> str:
        return await asyncio.shield(racer.answer)

    try:
        return await pool.race(
            once, lambda answer: answer == "enough", patience_s=patience_s, longest_s=longest_s
        )
    finally:
        await pool.close()


def racer(label: str, answer: str | PostroadError | None = None) -> Racer:
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    if isinstance(answer, str):
        found.set_result(answer)
    elif answer is not None:
        found.set_exception(answer)
    return Racer(label, found)


async def test_one_answer_that_is_enough_ends_the_waiting() -> None:
    assert await race(racer("slow"), racer("quick", "enough")) == [("quick", Answer("enough", "quick"))]


async def test_where_no_answer_is_enough_everyone_is_waited_for() -> None:
    late = racer("late")
    asyncio.get_running_loop().call_later(0.05, late.answer.set_result, "late")
    refused = RpcRefused(-32000, "no")
    told = await race(late, racer("refusing", refused), racer("poor", "not enough"))
    assert told == [
        ("late", Answer("late", "late")),
        ("refusing", refused),
        ("poor", Answer("not enough", "poor")),
    ]


@pytest.mark.parametrize("first", ["not enough", RpcRefused(-32000, "no")])
async def test_those_who_hang_are_not_waited_for_once_somebody_has_said_something(
    first: str | PostroadError,
) -> None:
    (label, late), (_, told) = await race(racer("hanging"), racer("quick", first), patience_s=0.05)
    assert (label, str(late)) == ("hanging", "hanging gave no answer in 0.05 s (expected an answer)")
    assert told == (first if isinstance(first, PostroadError) else Answer(first, "quick"))


async def test_nobody_who_says_anything_is_waited_for_as_long_as_one_may_take() -> None:
    down = RpcUnavailable("down can't be reached")
    (_, hanging), (_, unreachable) = await race(
        racer("hanging"), racer("down", down), patience_s=0.0, longest_s=0.05
    )
    assert isinstance(hanging, RpcUnavailable)
    assert unreachable is down
