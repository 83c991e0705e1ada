"""Providers that fail, lie, drown or leak, one at a time and together."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from light_clients.errors import HeaderRejected
from relayer.chains.evm.probe import make_probe
from relayer.chains.http import is_too_deep
from relayer.chains.rpc_pool import Answer, RpcPool
from relayer.chains.rpc_provider import ProviderUrls, RpcLimits, RpcProvider, clean_text, find_secrets
from relayer.errors import (
    ChainUnavailable,
    ConfigError,
    NotFoundYet,
    RangeRefused,
    RpcAnswerInvalid,
    RpcRefused,
    RpcUnavailable,
    WrongChain,
)
from relayer.retry import RetryPolicy
from tests.support.rpc import Handler, RefusalError, Server, serve

pytestmark = pytest.mark.network

ONCE = RetryPolicy(attempts=1)
SECRET = "s3cr3t-k3y-of-ours"


def echo(method: str, params: list[Any]) -> Any:
    return [method, params]


def refuse(code: int, message: str, data: Any = None) -> Handler:
    def handler(_: str, __: list[Any]) -> Any:
        raise RefusalError(code, message, data)

    return handler


def raw(text: str, status: int = 200) -> Handler:
    return lambda _, __: web.Response(text=text, status=status)


class Bench:
    """Servers and a pool over them; closed with the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.errors: list[tuple[str, str]] = []

    async def server(self, handler: Handler = echo) -> Server:
        return await self._stack.enter_async_context(serve(handler))

    def pool(self, *servers: Server, path: str = "", **options: Any) -> RpcPool:
        endpoints = [ProviderUrls(server.http_url + path, server.ws_url + path) for server in servers]
        pool = RpcPool(
            endpoints, on_error=lambda *told: self.errors.append(told), **({"policy": ONCE} | options)
        )
        self._stack.push_async_callback(pool.close)
        return pool

    def provider(self, server: Server, **limits: Any) -> RpcProvider:
        provider = RpcProvider(ProviderUrls(server.http_url), "it", RpcLimits(**limits))
        self._stack.push_async_callback(provider.close)
        return provider


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield Bench(stack)


def keep(value: Any) -> Any:
    return value


# --- one provider -------------------------------------------------------------------------------------------


async def test_a_call_and_a_batch_come_back_in_order(bench: Bench) -> None:
    server = await bench.server()
    provider = bench.provider(server, max_batch=3)
    assert await provider.call("a", [1]) == b'["a", [1]]'
    results = await provider.batch([("m", [n]) for n in range(8)])
    assert results == [b'["m", [%d]]' % n for n in range(8)]
    assert [len(body) if isinstance(body, list) else 1 for body in server.requests] == [1, 3, 3, 2]


async def test_answers_to_a_batch_may_come_in_any_order(bench: Bench) -> None:
    def shuffled(_: str, __: list[Any]) -> Any:
        answers = [{"jsonrpc": "2.0", "id": id_, "result": id_ * 10} for id_ in (3, 1, 2)]
        return web.json_response(answers)

    provider = bench.provider(await bench.server(shuffled))
    assert await provider.batch([("m", []), ("m", []), ("m", [])]) == [b"10", b"20", b"30"]


@pytest.mark.parametrize("ids", [(1, 2), (1, 1, 2), (1, 2, 4), (1, 2, 3, 4), (1, 2, "3")])
async def test_ids_that_were_not_sent_are_refused(bench: Bench, ids: tuple[Any, ...]) -> None:
    answers = [{"jsonrpc": "2.0", "id": id_, "result": 1} for id_ in ids]
    provider = bench.provider(await bench.server(lambda _, __: web.json_response(answers)))
    with pytest.raises(RpcAnswerInvalid, match="ids"):
        await provider.batch([("m", []), ("m", []), ("m", [])])


async def test_another_id_is_refused(bench: Bench) -> None:
    answer = {"jsonrpc": "2.0", "id": 77, "result": 1}
    provider = bench.provider(await bench.server(lambda _, __: web.json_response(answer)))
    with pytest.raises(RpcAnswerInvalid, match="id 77"):
        await provider.call("m", [])


async def test_a_provider_without_batches_is_asked_one_by_one(bench: Bench) -> None:
    server = await bench.server()
    server.takes_batches = False
    provider = bench.provider(server)
    assert await provider.batch([("m", [n]) for n in range(5)]) == [b'["m", [%d]]' % n for n in range(5)]
    server.requests.clear()
    await provider.batch([("m", [n]) for n in range(3)])
    assert all(isinstance(body, dict) for body in server.requests)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "null",
        "[]",
        '{"id":1}',
        '{"id":1,"result":',
        '{"id":1,"error":"text"}',
        "[" * 100_000,
        '{"id":1,"result":' + "[" * 100_000,
        '{"id":"1","result":1}',
        "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
async def test_answers_that_are_no_json_rpc_are_refused(bench: Bench, body: str) -> None:
    provider = bench.provider(await bench.server(raw(body)))
    with pytest.raises(RpcAnswerInvalid):
        await provider.call("m", [])


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


async def test_an_answer_has_a_largest_size(bench: Bench) -> None:
    provider = bench.provider(await bench.server(raw("x" * 100_001)), max_answer_bytes=100_000)
    with pytest.raises(RangeRefused, match="more than 100000 bytes"):
        await provider.call("m", [])


async def test_a_packed_answer_counts_unpacked(bench: Bench) -> None:
    def bomb(_: str, __: list[Any]) -> Any:
        response = web.Response(text="x" * 5_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    provider = bench.provider(await bench.server(bomb), max_answer_bytes=100_000)
    with pytest.raises(RangeRefused):
        await provider.call("m", [])


async def test_a_silent_provider_is_given_up(bench: Bench) -> None:
    server = await bench.server()
    server.delay_s = 5
    with pytest.raises(RpcUnavailable, match=r"no answer in 0.1 s"):
        await bench.provider(server, timeout_s=0.1).call("m", [])


async def test_nobody_listening_is_told_without_the_url(bench: Bench) -> None:
    provider = RpcProvider(ProviderUrls("http://127.0.0.1:9/path"), "it", RpcLimits())
    with pytest.raises(RpcUnavailable, match="it can't be reached"):
        await provider.call("m", [])
    await provider.close()


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "credentials"), (403, "credentials"), (429, "rate"), (302, "redirects"), (502, ""), (500, "")],
)
async def test_http_errors_say_what_to_do(bench: Bench, status: int, advice: str) -> None:
    provider = bench.provider(await bench.server(raw("sorry", status)))
    with pytest.raises(RpcUnavailable, match=f"HTTP {status}") as error:
        await provider.call("m", [])
    assert advice in error.value.advice


async def test_redirects_are_not_followed(bench: Bench) -> None:
    """Whoever redirects would be given our requests, and what our URL holds."""
    other = await bench.server()

    def redirect(_: str, __: list[Any]) -> Any:
        return web.Response(status=307, headers={"Location": other.http_url})

    with pytest.raises(RpcUnavailable, match="307"):
        await bench.provider(await bench.server(redirect)).call("m", [])
    assert other.requests == []


async def test_json_rpc_errors_are_read_under_any_http_status_below_500(bench: Bench) -> None:
    body = '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"bad params"}}'
    provider = bench.provider(await bench.server(raw(body, 400)))
    with pytest.raises(RpcRefused, match="bad params") as error:
        await provider.call("m", [])
    assert error.value.code == -32602


@pytest.mark.parametrize(
    "data", ["0x08c379a0", {"data": "0x08c379a0"}, {"result": "0x08c379a0"}, "Reverted 0x08c379a0"]
)
async def test_revert_data_is_found_wherever_it_is(bench: Bench, data: Any) -> None:
    provider = bench.provider(await bench.server(refuse(3, "execution reverted", data)))
    with pytest.raises(RpcRefused) as error:
        await provider.call("m", [])
    assert error.value.data == bytes.fromhex("08c379a0")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32005, "limit"),
        (-32000, "query returned more than 10000 results"),
        (-32600, "exceed maximum block range: 50000"),
        (-32602, "block range is too wide"),
        (-32000, "Log response size exceeded."),
    ],
)
async def test_too_much_is_told_apart(bench: Bench, code: int, message: str) -> None:
    provider = bench.provider(await bench.server(refuse(code, message)))
    with pytest.raises(RangeRefused):
        await provider.call("eth_getLogs", [])


@pytest.mark.parametrize(
    "url",
    [
        "{base}/v2/" + SECRET,
        "{base}/?key=" + SECRET,
        "http://user:" + SECRET + "@{rest}/",
    ],
)
@pytest.mark.parametrize("trouble", ["refused", "echoed", "unreachable", "http", "invalid"])
async def test_credentials_in_urls_are_never_shown(bench: Bench, url: str, trouble: str) -> None:
    server = await bench.server()
    server.handler = {
        "refused": refuse(-32000, "no"),
        "echoed": refuse(-32000, f"key {SECRET} is unknown\nat http://x/{SECRET}"),
        "unreachable": echo,
        "http": raw("no", 403),
        "invalid": raw("no"),
    }[trouble]
    base = "http://127.0.0.1:9" if trouble == "unreachable" else server.http_url
    whole = url.format(base=base, rest=base.removeprefix("http://"))
    pool = RpcPool([ProviderUrls(whole)], policy=ONCE, on_error=lambda *told: bench.errors.append(told))
    try:
        await pool.call("m", [], keep)
    except Exception as error:  # noqa: BLE001  whatever it is, it must not tell
        shown = "".join(traceback.format_exception(error))
    else:
        pytest.fail("there was no trouble")
    finally:
        await pool.close()
    assert SECRET not in shown
    assert SECRET not in repr(pool.health()) + repr(bench.errors) + repr(ProviderUrls(whole))


def test_a_providers_words_are_cut_and_made_printable() -> None:
    assert clean_text("a\x1b[31mb\r\nc") == "a [31mb  c"
    assert len(clean_text("x" * 10_000)) < 300
    assert find_secrets("https://h/v2/0123456789abcdef?token=wxyz") == ("0123456789abcdef", "wxyz")


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "127.0.0.1:8545", "http://[::1", "http://h:99999"])
def test_a_url_that_leads_nowhere_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        RpcProvider(ProviderUrls(url), "it", RpcLimits())
    assert not url or url not in str(error.value)


# --- several providers --------------------------------------------------------------------------------------


async def test_the_next_provider_is_asked_where_one_fails(bench: Bench) -> None:
    down = await bench.server(raw("no", 503))
    up = await bench.server()
    pool = bench.pool(down, up)
    assert await pool.call("m", [1], keep) == ["m", [1]]
    assert [kind for _, kind in bench.errors] == ["unreachable"]
    # And remembered: the failing one is not asked again at once.
    down.requests.clear()
    await pool.call("m", [2], keep)
    assert down.requests == []


async def test_a_wrong_answer_costs_the_provider_its_turn(bench: Bench) -> None:
    """INV-5: what our own verification rejects is asked of another provider, and the first one loses health."""

    def verify(value: Any) -> Any:
        if value == "forged":
            raise HeaderRejected("a forged header", found=value, expected="a real one")
        return value

    liar = await bench.server(lambda _, __: "forged")
    slow = await bench.server(lambda _, __: "real")
    pool = bench.pool(liar, slow)
    assert await pool.call("m", [], verify) == "real"
    health = pool.health()
    assert health[0].cost > 20
    assert health[1].cost < 1
    assert [kind for _, kind in bench.errors] == ["invalid"]
    assert await pool.call("m", [], verify) == "real"
    assert len(liar.requests) == 1


async def test_with_every_provider_lying_there_is_no_answer(bench: Bench) -> None:
    def verify(_: Any) -> Any:
        raise HeaderRejected("forged", found="x", expected="y")

    pool = bench.pool(await bench.server(), await bench.server())
    with pytest.raises(ChainUnavailable, match="forged"):
        await pool.call("m", [], verify)


async def test_a_later_finding_is_charged_too(bench: Bench) -> None:
    pool = bench.pool(await bench.server(), await bench.server())
    answer = await pool.ask("m", [], keep)
    pool.blame(answer.provider)
    again = await pool.ask("m", [], keep)
    assert again.provider != answer.provider
    assert (await pool.ask("m", [], keep, exclude=frozenset({again.provider}))).provider == answer.provider


async def test_what_nobody_has_is_not_found_yet(bench: Bench) -> None:
    def need(value: Any) -> Any:
        if value is None:
            raise NotFoundYet("no block 9")
        return value

    behind = await bench.server(lambda _, __: None)
    pool = bench.pool(behind, await bench.server(refuse(-32000, "header not found")))
    with pytest.raises(NotFoundYet, match="block 9"):
        await pool.call("m", [], need)
    assert {kind for _, kind in bench.errors} == {"missing"}
    behind.handler = lambda _, __: "here"
    assert await pool.call("m", [], need) == "here"


async def test_a_revert_is_an_answer_and_not_asked_twice(bench: Bench) -> None:
    servers = [await bench.server(refuse(3, "execution reverted", "0x01020304")) for _ in range(2)]
    pool = bench.pool(*servers, policy=RetryPolicy(attempts=3, first_wait_s=0))
    with pytest.raises(RpcRefused) as error:
        await pool.call("eth_call", [], keep)
    assert error.value.data == b"\1\2\3\4"
    assert sum(len(server.requests) for server in servers) == 1
    assert bench.errors == []


async def test_a_refused_range_goes_to_the_caller_or_to_the_next_provider(bench: Bench) -> None:
    small = await bench.server(refuse(-32005, "limit exceeded"))
    pool = bench.pool(small, await bench.server())
    with pytest.raises(RangeRefused):
        await pool.ask("eth_getLogs", [], keep, range_is_final=False)
    assert (await pool.ask("eth_getLogs", [], keep)).value == ["eth_getLogs", []]


async def test_trouble_is_tried_again_within_bounds(bench: Bench) -> None:
    server = await bench.server(raw("no", 503))
    pool = bench.pool(server, policy=RetryPolicy(attempts=3, first_wait_s=0, jitter_s=0))
    with pytest.raises(ChainUnavailable, match="503"):
        await pool.call("m", [], keep)
    assert len(server.requests) == 3


async def test_another_shape_than_the_methods_is_refused(bench: Bench) -> None:
    pool = bench.pool(await bench.server(lambda _, __: {"number": 5}))
    with pytest.raises(ChainUnavailable, match="another shape"):
        await pool.call("m", [], keep, answer_type=str)


async def test_a_batch_is_checked_as_one(bench: Bench) -> None:
    def verify(values: list[Any]) -> Any:
        if "forged" in values:
            raise HeaderRejected("forged", found="x", expected="y")
        return values

    liar = await bench.server(lambda _, params: "forged" if params == [2] else params)
    honest = await bench.server(lambda _, params: params)
    pool = bench.pool(liar, honest)
    assert await pool.batch([("m", [n]) for n in range(4)], verify) == [[0], [1], [2], [3]]
    assert await pool.batch([], keep) == []


async def test_everyone_is_asked_and_each_answer_kept(bench: Bench) -> None:
    pool = bench.pool(
        await bench.server(), await bench.server(raw("no", 503)), await bench.server(refuse(-1, "known"))
    )
    first, second, third = await pool.everyone("m", [])
    assert isinstance(first, Answer)
    assert isinstance(second, RpcUnavailable)
    assert isinstance(third, RpcRefused)


async def test_providers_on_one_host_are_told_apart(bench: Bench) -> None:
    server = await bench.server()
    pool = RpcPool([ProviderUrls(server.http_url + "/a"), ProviderUrls(server.http_url + "/b")])
    labels = [health.label for health in pool.health()]
    assert labels == [f"{server.http_url.removeprefix('http://')}#{n}" for n in (1, 2)]
    await pool.close()
    await pool.close()


async def test_requests_at_once_are_bounded(bench: Bench) -> None:
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


# --- the right chain ----------------------------------------------------------------------------------------


def chain(chain_id: int, genesis: bytes | None) -> Handler:
    def handler(method: str, _: list[Any]) -> Any:
        if method == "eth_chainId":
            return hex(chain_id)
        if method == "eth_getBlockByNumber":
            return None if genesis is None else {"hash": "0x" + genesis.hex()}
        return "served"

    return handler


async def test_a_provider_of_another_chain_is_excluded_for_good(bench: Bench) -> None:
    stranger = await bench.server(chain(5, b"\1" * 32))
    reset = await bench.server(chain(7, b"\2" * 32))
    right = await bench.server(chain(7, b"\1" * 32))
    pool = bench.pool(stranger, reset, right, probe=make_probe(7, b"\1" * 32))
    for _ in range(3):
        assert await pool.call("m", [], keep) == "served"
    assert stranger.methods == ["eth_chainId"]
    assert reset.methods == ["eth_chainId", "eth_getBlockByNumber"]
    assert right.methods == ["eth_chainId", "eth_getBlockByNumber", "m", "m", "m"]
    assert [health.wrong_chain for health in pool.health()] == [True, True, False]
    assert [kind for _, kind in bench.errors] == ["wrong_chain", "wrong_chain"]


async def test_with_only_other_chains_the_configuration_is_wrong(bench: Bench) -> None:
    pool = bench.pool(await bench.server(chain(5, None)), probe=make_probe(7, b"\1" * 32))
    with pytest.raises(WrongChain, match="0x5"):
        await pool.call("m", [], keep)


async def test_a_provider_without_its_genesis_block_will_do(bench: Bench) -> None:
    pool = bench.pool(await bench.server(chain(7, None)), probe=make_probe(7, b"\1" * 32))
    assert await pool.call("m", [], keep) == "served"
