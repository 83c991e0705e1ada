# SPDX-License-Identifier: MIT
"""HTTP to one provider: bounds of size, time and number, statuses, URLs that are refused or not shown."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from relayer.chains.http import is_too_deep
from relayer.chains.rpc_pool import RpcPool
from relayer.chains.rpc_provider import ProviderUrls, RpcLimits, RpcProvider, clean_text, find_secrets
from relayer.errors import (
    ConfigError,
    RangeRefused,
    RpcUnavailable,
)
from tests.unit.chains.provider_bench import ProviderBench, keep, raw

pytestmark = pytest.mark.network


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"[" * 100_000, True),
        (b'{"a":' * 100_000, True),
        (b"[" * 4_096, False),
        (b"[" + b'{"topics":["0x"]},' * 50_000 + b"{}]", False),
        (b"[" * 65 + b"[]," * 5_000 + b"[]" + b"]" * 65, True),
    ],
)
def test_answers_that_are_nested_without_end_are_told(body: bytes, *, deep: bool) -> None:
    """Whatever recursion limit a library has set, for a stack ends sooner."""
    assert is_too_deep(body) is deep


async def test_an_answer_has_a_largest_size(provider_bench: ProviderBench) -> None:
    provider = provider_bench.provider(
        await provider_bench.server(raw("x" * 100_001)), max_answer_bytes=100_000
    )
    with pytest.raises(RangeRefused, match="more than 100000 bytes"):
        await provider.call("m", [])


async def test_a_packed_answer_counts_unpacked(provider_bench: ProviderBench) -> None:
    def bomb(_: str, __: list[Any]) -> Any:
        response = web.Response(text="x" * 5_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    provider = provider_bench.provider(await provider_bench.server(bomb), max_answer_bytes=100_000)
    with pytest.raises(RangeRefused):
        await provider.call("m", [])


async def test_a_silent_provider_is_given_up(provider_bench: ProviderBench) -> None:
    server = await provider_bench.server()
    server.delay_s = 5
    with pytest.raises(RpcUnavailable, match=r"no answer in 0.1 s"):
        await provider_bench.provider(server, timeout_s=0.1).call("m", [])


async def test_nobody_listening_is_told_without_the_url(provider_bench: ProviderBench) -> None:
    provider = RpcProvider(ProviderUrls("http://127.0.0.1:9/path"), "it", RpcLimits())
    with pytest.raises(RpcUnavailable, match="it can't be reached"):
        await provider.call("m", [])
    await provider.close()


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "credentials"), (403, "credentials"), (429, "rate"), (302, "redirects"), (502, ""), (500, "")],
)
async def test_http_errors_say_what_to_do(provider_bench: ProviderBench, status: int, advice: str) -> None:
    provider = provider_bench.provider(await provider_bench.server(raw("sorry", status)))
    with pytest.raises(RpcUnavailable, match=f"HTTP {status}") as error:
        await provider.call("m", [])
    assert advice in error.value.advice


async def test_redirects_are_not_followed(provider_bench: ProviderBench) -> None:
    """Whoever redirects would be given our requests, and what our URL holds."""
    other = await provider_bench.server()

    def redirect(_: str, __: list[Any]) -> Any:
        return web.Response(status=307, headers={"Location": other.http_url})

    with pytest.raises(RpcUnavailable, match="307"):
        await provider_bench.provider(await provider_bench.server(redirect)).call("m", [])
    assert other.requests == []


def test_a_providers_words_are_cut_and_made_printable() -> None:
    assert clean_text("a\x1b[31mb\r\nc") == "a [31mb  c"
    assert len(clean_text("x" * 10_000)) < 300
    assert find_secrets("https://h/v2/0123456789abcdef?token=wxyz") == ("0123456789abcdef", "wxyz")


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "127.0.0.1:8545", "http://[::1", "http://h:99999"])
def test_a_url_that_leads_nowhere_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        RpcProvider(ProviderUrls(url), "it", RpcLimits())
    assert not url or url not in str(error.value)


async def test_requests_at_once_are_bounded(provider_bench: ProviderBench) -> None:
    running = most = 0

    async def slow(request: web.Request) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        body = await request.json()
        return web.json_response({"jsonrpc": "2.0", "id": body["id"], "result": 1})

    app = web.Application()
    app.router.add_post("/", slow)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pool = RpcPool(
        [ProviderUrls(f"http://127.0.0.1:{runner.addresses[0][1]}")], limits=RpcLimits(concurrency=3)
    )
    await asyncio.gather(*(pool.call("m", [], keep) for _ in range(20)))
    await pool.close()
    await runner.cleanup()
    assert most == 3
