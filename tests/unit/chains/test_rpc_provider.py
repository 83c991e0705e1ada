# SPDX-License-Identifier: MIT
"""One JSON-RPC provider: calls, batches, and answers that are no JSON-RPC or refuse."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from aiohttp import web

from relayer.chains.rpc_pool import RpcPool
from relayer.chains.rpc_provider import ProviderUrls
from relayer.errors import (
    RangeRefused,
    RpcAnswerInvalid,
    RpcRefused,
)
from tests.unit.chains.provider_bench import ONCE, SECRET, ProviderBench, echo, keep, raw, refuse

pytestmark = pytest.mark.network


async def test_a_call_and_a_batch_come_back_in_order(provider_bench: ProviderBench) -> None:
    server = await provider_bench.server()
    provider = provider_bench.provider(server, max_batch=3)
    assert await provider.call("a", [1]) == b'["a", [1]]'
    results = await provider.batch([("m", [n]) for n in range(8)])
    assert results == [b'["m", [%d]]' % n for n in range(8)]
    assert [len(body) if isinstance(body, list) else 1 for body in server.requests] == [1, 3, 3, 2]


async def test_answers_to_a_batch_may_come_in_any_order(provider_bench: ProviderBench) -> None:
    def shuffled(_: str, __: list[Any]) -> Any:
        answers = [{"jsonrpc": "2.0", "id": id_, "result": id_ * 10} for id_ in (3, 1, 2)]
        return web.json_response(answers)

    provider = provider_bench.provider(await provider_bench.server(shuffled))
    assert await provider.batch([("m", []), ("m", []), ("m", [])]) == [b"10", b"20", b"30"]


@pytest.mark.parametrize("ids", [(1, 2), (1, 1, 2), (1, 2, 4), (1, 2, 3, 4), (1, 2, "3")])
async def test_ids_that_were_not_sent_are_refused(
    provider_bench: ProviderBench, ids: tuple[Any, ...]
) -> None:
    answers = [{"jsonrpc": "2.0", "id": id_, "result": 1} for id_ in ids]
    provider = provider_bench.provider(await provider_bench.server(lambda _, __: web.json_response(answers)))
    with pytest.raises(RpcAnswerInvalid, match="ids"):
        await provider.batch([("m", []), ("m", []), ("m", [])])


async def test_another_id_is_refused(provider_bench: ProviderBench) -> None:
    answer = {"jsonrpc": "2.0", "id": 77, "result": 1}
    provider = provider_bench.provider(await provider_bench.server(lambda _, __: web.json_response(answer)))
    with pytest.raises(RpcAnswerInvalid, match="id 77"):
        await provider.call("m", [])


async def test_a_provider_without_batches_is_asked_one_by_one(provider_bench: ProviderBench) -> None:
    server = await provider_bench.server()
    server.takes_batches = False
    provider = provider_bench.provider(server)
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
async def test_answers_that_are_no_json_rpc_are_refused(provider_bench: ProviderBench, body: str) -> None:
    provider = provider_bench.provider(await provider_bench.server(raw(body)))
    with pytest.raises(RpcAnswerInvalid):
        await provider.call("m", [])


async def test_json_rpc_errors_are_read_under_any_http_status_below_500(
    provider_bench: ProviderBench,
) -> None:
    body = '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"bad params"}}'
    provider = provider_bench.provider(await provider_bench.server(raw(body, 400)))
    with pytest.raises(RpcRefused, match="bad params") as error:
        await provider.call("m", [])
    assert error.value.code == -32602


@pytest.mark.parametrize(
    "data", ["0x08c379a0", {"data": "0x08c379a0"}, {"result": "0x08c379a0"}, "Reverted 0x08c379a0"]
)
async def test_revert_data_is_found_wherever_it_is(provider_bench: ProviderBench, data: Any) -> None:
    provider = provider_bench.provider(await provider_bench.server(refuse(3, "execution reverted", data)))
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
async def test_too_much_is_told_apart(provider_bench: ProviderBench, code: int, message: str) -> None:
    provider = provider_bench.provider(await provider_bench.server(refuse(code, message)))
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
async def test_credentials_in_urls_are_never_shown(
    provider_bench: ProviderBench, url: str, trouble: str
) -> None:
    server = await provider_bench.server()
    server.handler = {
        "refused": refuse(-32000, "no"),
        "echoed": refuse(-32000, f"key {SECRET} is unknown\nat http://x/{SECRET}"),
        "unreachable": echo,
        "http": raw("no", 403),
        "invalid": raw("no"),
    }[trouble]
    base = "http://127.0.0.1:9" if trouble == "unreachable" else server.http_url
    whole = url.format(base=base, rest=base.removeprefix("http://"))
    pool = RpcPool(
        [ProviderUrls(whole)], policy=ONCE, on_error=lambda *told: provider_bench.errors.append(told)
    )
    try:
        await pool.call("m", [], keep)
    except Exception as error:  # noqa: BLE001  whatever it is, it must not tell
        shown = "".join(traceback.format_exception(error))
    else:
        pytest.fail("there was no trouble")
    finally:
        await pool.close()
    assert SECRET not in shown
    assert SECRET not in repr(pool.health()) + repr(provider_bench.errors) + repr(ProviderUrls(whole))
