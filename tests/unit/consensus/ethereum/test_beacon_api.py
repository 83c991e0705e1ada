# SPDX-License-Identifier: MIT
"""The Beacon API client against servers that answer well, badly and slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from light_clients.errors import HeaderRejected
from light_clients.ethereum.config import Period, Slot
from light_clients.ethereum.containers import LightClientUpdate
from light_clients.ethereum.ssz_object import SszObject
from relayer.consensus.ethereum.beacon_api import BeaconApi, BeaconLimits
from relayer.errors import ChainUnavailable, ConfigError, NotFoundYet, WrongChain
from relayer.retry import RetryPolicy
from tests.support.ethereum import PERIOD, SPE, World

pytestmark = pytest.mark.network

ONCE = RetryPolicy(attempts=1)
SECRET = "0123456789abcdefsecret"
Handler = Callable[[web.Request], Any]


class BeaconServer:
    """One beacon node over HTTP. `overrides` answer instead, by a part of the path; not all take SSZ."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.overrides: dict[str, Handler] = {}
        self.takes_ssz = True
        self.delay_s = 0.0
        self.requests: list[tuple[str, str]] = []
        self.url = ""
        self.root = world.network.genesis_validators_root

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.delay_s)
        self.requests.append((request.path_qs, request.headers.get("Accept", "")))
        for path, handler in self.overrides.items():
            if path in request.path:
                answer = handler(request)
                assert isinstance(answer, web.StreamResponse)
                return answer
        return self._honest(request)

    def _honest(self, request: web.Request) -> web.StreamResponse:
        chain, path = self.world.chain, request.path
        if path.endswith("/genesis"):
            data = {
                "genesis_time": str(self.world.network.genesis_time),
                "genesis_validators_root": "0x" + self.root.hex(),
                "genesis_fork_version": "0x00000001",
            }
            return web.json_response({"data": data})
        if path.endswith("/finality_update"):
            return self.object(request, chain.finality_update())
        if path.endswith("/optimistic_update"):
            return self.object(request, chain.optimistic_update())
        if "/bootstrap/" in path:
            return self.object(request, chain.bootstrap(bytes.fromhex(path.rpartition("0x")[2])))
        if path.endswith("/updates"):
            start, count = int(request.query["start_period"]), int(request.query["count"])
            return self.updates(request, chain.updates(Period(start), count))
        return web.json_response({"code": 404, "message": "no such path"}, status=404)

    def object(self, request: web.Request, found: SszObject | None) -> web.Response:
        network = self.world.network
        if found is None:
            return web.json_response({"code": 404, "message": "not available"}, status=404)
        fork = network.forks[-1].name
        if self.takes_ssz and "octet-stream" in request.headers["Accept"]:
            return web.Response(
                body=found.encode_ssz(fork, network.preset),
                headers={"Content-Type": "application/octet-stream", "Eth-Consensus-Version": fork.label},
            )
        return web.json_response(found.to_versioned_json(fork, network.preset))

    def updates(self, request: web.Request, found: tuple[LightClientUpdate, ...]) -> web.Response:
        network = self.world.network
        fork = network.forks[-1]
        if self.takes_ssz and "octet-stream" in request.headers["Accept"]:
            body = b""
            for update in found:
                chunk = network.fork_digest(fork) + update.encode_ssz(fork.name, network.preset)
                body += len(chunk).to_bytes(8, "little") + chunk
            return web.Response(body=body, headers={"Content-Type": "application/octet-stream"})
        return web.json_response([update.to_versioned_json(fork.name, network.preset) for update in found])


class Bench:
    """Servers and clients of one test, which all end with it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.errors: list[tuple[str, str]] = []
        self._runners: list[web.AppRunner] = []
        self._apis: list[BeaconApi] = []

    async def server(self) -> BeaconServer:
        server = BeaconServer(self.world)
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", server.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runners.append(runner)
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return server

    def api(self, *servers: BeaconServer | str, **terms: Any) -> BeaconApi:
        urls = [server if isinstance(server, str) else server.url for server in servers]
        terms = {"policy": ONCE, **terms}
        api = BeaconApi("eth", urls, self.world.network, lambda *told: self.errors.append(told), **terms)
        self._apis.append(api)
        return api

    async def close(self) -> None:
        for api in self._apis:
            await api.close()
        for runner in self._runners:
            await runner.cleanup()


@pytest.fixture(scope="module")
def world() -> World:
    made = World()
    made.advance(3 * PERIOD + 3 * SPE)
    return made


@pytest.fixture
async def bench(world: World) -> AsyncIterator[Bench]:
    made = Bench(world)
    yield made
    await made.close()


def says(status: int, message: str = "no") -> Handler:
    return lambda _: web.json_response({"code": status, "message": message}, status=status)


def raw(body: bytes, content_type: str = "application/octet-stream", **headers: str) -> Handler:
    return lambda _: web.Response(body=body, headers={"Content-Type": content_type, **headers})


@pytest.mark.parametrize("ssz", [True, False])
async def test_every_light_client_object_is_read(bench: Bench, world: World, *, ssz: bool) -> None:
    server = await bench.server()
    server.takes_ssz = ssz
    api = bench.api(server)
    chain = world.chain
    assert await api.finality_update() == chain.finality_update()
    assert await api.optimistic_update() == chain.optimistic_update()
    assert await api.bootstrap(chain.finalized.root) == chain.bootstrap(chain.finalized.root)
    assert await api.updates(Period(0), 3) == chain.updates(Period(0), 3)
    assert await api.updates(Period(77), 3) == ()
    assert all("octet-stream" in accept for path, accept in server.requests if "light_client" in path)


async def test_a_node_that_refuses_ssz_is_asked_for_json(bench: Bench, world: World) -> None:
    server = await bench.server()
    server.takes_ssz = False

    def fussy(request: web.Request) -> web.Response:
        if "octet-stream" in request.headers["Accept"]:
            return web.json_response({"message": "no SSZ here"}, status=406)
        return server.object(request, world.chain.finality_update())

    server.overrides["finality_update"] = fussy
    api = bench.api(server)
    assert await api.finality_update() == world.chain.finality_update()
    assert await api.finality_update() == world.chain.finality_update()
    asked = [accept for path, accept in server.requests if "finality" in path]
    assert ["octet-stream" in accepted for accepted in asked] == [True, False, False]
    assert bench.errors == []


async def test_early_nodes_wrap_their_updates(bench: Bench, world: World) -> None:
    server = await bench.server()
    network = world.network
    fork = network.forks[-1].name
    listed = [update.to_versioned_json(fork, network.preset) for update in world.chain.updates(Period(0), 2)]
    server.overrides["updates"] = lambda _: web.json_response({"data": listed})
    assert await bench.api(server).updates(Period(0), 2) == world.chain.updates(Period(0), 2)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "LC bootstrap unavailable"),
        (503, "syncing"),
        (500, "No latest header update available"),
        (500, "No partialUpdate available for period 7"),
        (500, "Not available"),
    ],
)
async def test_what_a_node_does_not_have_is_not_found_yet(bench: Bench, status: int, message: str) -> None:
    """Lodestar answers 500 where the standard says not available."""
    server = await bench.server()
    server.overrides["light_client"] = says(status, message)
    with pytest.raises(NotFoundYet, match=message):
        await bench.api(server).finality_update()
    assert [kind for _, kind in bench.errors] == ["missing"]


@pytest.mark.parametrize(
    ("status", "kind"), [(500, "refused"), (400, "refused"), (502, "unreachable"), (302, "unreachable")]
)
async def test_trouble_is_asked_of_the_next_node(bench: Bench, world: World, status: int, kind: str) -> None:
    bad, good = await bench.server(), await bench.server()
    bad.overrides["light_client"] = says(status, "Internal error")
    api = bench.api(bad, good)
    assert await api.finality_update() == world.chain.finality_update()
    assert [found for _, found in bench.errors] == [kind]
    bad.requests.clear()
    await api.finality_update()
    assert bad.requests == []


def _cut(found: bytes) -> list[bytes]:
    return [b"", found[:-1], found[: len(found) // 2], found[4:], b"\xff" * len(found)]


@pytest.mark.parametrize("number", range(5))
async def test_ssz_that_is_cut_or_none_costs_the_node_its_health(
    bench: Bench, world: World, number: int
) -> None:
    update = world.chain.finality_update()
    assert update is not None
    fork = world.network.forks[-1].name
    body = _cut(update.encode_ssz(fork, world.network.preset))[number]
    bad, good = await bench.server(), await bench.server()
    bad.overrides["finality"] = raw(body, **{"Eth-Consensus-Version": fork.label})
    api = bench.api(bad, good)
    assert await api.finality_update() == update
    assert [kind for _, kind in bench.errors] == ["invalid"]
    assert api.health()[0].cost > 20


@pytest.mark.parametrize(
    "chunks",
    [
        lambda body: body[:-1],
        lambda body: body[:7],
        lambda body: b"\xff" * 8 + body[8:],
        lambda body: bytes(8) + body[8:],
        lambda body: body[:8] + b"\xde\xad\xbe\xef" + body[12:],
        lambda body: body + body,
    ],
)
async def test_chunks_of_updates_that_are_none_are_refused(
    bench: Bench, world: World, chunks: Callable[[bytes], bytes]
) -> None:
    """Cut, of no length, of an unknown fork, or more than was asked for."""
    network = world.network
    fork = network.forks[-1]
    (update,) = world.chain.updates(Period(0), 1)
    chunk = network.fork_digest(fork) + update.encode_ssz(fork.name, network.preset)
    body = len(chunk).to_bytes(8, "little") + chunk
    bad, good = await bench.server(), await bench.server()
    bad.overrides["updates"] = raw(chunks(body))
    assert await bench.api(bad, good).updates(Period(0), 1) == (update,)
    assert [kind for _, kind in bench.errors] == ["invalid"]


@pytest.mark.parametrize(
    "handler",
    [
        raw(b"no JSON", "application/json"),
        raw(b"[" * 100_000, "application/json"),
        raw(b"[]", "application/json"),
        raw(b"{}", "application/json"),
        raw(b'{"version":"deneb","data":{}}', "application/json"),
        raw(b'{"version":"gloas","data":{}}', "application/json"),
        raw(b'{"version":7,"data":{}}', "application/json"),
        raw(b'{"version":"electra","data":{"attested_header":[]}}', "application/json"),
        raw(b"<html>", "text/html"),
        raw(b"\0" * 100, "application/octet-stream"),
        raw(b"\0" * 100, **{"Eth-Consensus-Version": "altair"}),
        raw(b"\0" * 100, **{"Eth-Consensus-Version": "nonsense"}),
    ],
)
async def test_wrong_content_costs_the_node_its_health(bench: Bench, world: World, handler: Handler) -> None:
    bad, good = await bench.server(), await bench.server()
    bad.overrides["finality"] = handler
    api = bench.api(bad, good)
    assert await api.finality_update() == world.chain.finality_update()
    assert [kind for _, kind in bench.errors] == ["invalid"]


async def test_what_does_not_verify_is_asked_of_the_next_node(bench: Bench, world: World) -> None:
    """INV-5: the check runs while it is still known whose answer it is."""
    first, second = await bench.server(), await bench.server()
    honest = world.chain.finality_update()
    assert honest is not None
    forged = replace(honest, signature_slot=Slot(5))
    first.overrides["finality"] = lambda request: first.object(request, forged)

    def check(found: Any) -> Any:
        if found != honest:
            raise HeaderRejected("forged", found="x", expected="y")
        return found

    api = bench.api(first, second)
    assert await api.checked_finality_update(check) == honest
    assert [kind for _, kind in bench.errors] == ["invalid"]
    alone = bench.api(first)
    with pytest.raises(ChainUnavailable, match="forged"):
        await alone.checked_finality_update(check)


async def test_a_huge_answer_is_cut_off(bench: Bench, world: World) -> None:
    bad, good = await bench.server(), await bench.server()
    bad.overrides["finality"] = raw(b"\0" * 5_000_000)

    def bomb(_: web.Request) -> web.Response:
        response = web.Response(body=b"\0" * 5_000_000, headers={"Content-Type": "application/octet-stream"})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    bad.overrides["optimistic"] = bomb
    api = bench.api(bad, good)
    assert await api.finality_update() == world.chain.finality_update()
    api = bench.api(bad, good)
    assert await api.optimistic_update() == world.chain.optimistic_update()
    assert {kind for _, kind in bench.errors} == {"refused"}


async def test_updates_are_asked_for_in_smaller_numbers_where_they_are_too_large(
    bench: Bench, world: World
) -> None:
    server = await bench.server()
    server.takes_ssz = False
    api = bench.api(server, limits=BeaconLimits(object_bytes=9_000))
    found = await api.updates(Period(0), 4)
    assert len(found) < 3 or found == world.chain.updates(Period(0), 4)
    tiny = bench.api(server, limits=BeaconLimits(object_bytes=3_000))
    with pytest.raises(ChainUnavailable, match="more than"):
        await tiny.updates(Period(0), 4)
    counts = [path.rpartition("=")[2] for path, _ in server.requests if "updates" in path]
    assert counts[-3:] == ["4", "2", "1"]


async def test_no_more_than_128_updates_are_asked_for_at_once(bench: Bench) -> None:
    server = await bench.server()
    await bench.api(server).updates(Period(0), 500)
    assert server.requests[-1][0].endswith("start_period=0&count=128")


async def test_a_silent_node_is_given_up(bench: Bench, world: World) -> None:
    slow, good = await bench.server(), await bench.server()
    slow.delay_s = 5
    api = bench.api(slow, good, limits=BeaconLimits(timeout_s=0.2))
    assert await api.finality_update() == world.chain.finality_update()
    assert [kind for _, kind in bench.errors] == ["unreachable"]


async def test_a_node_of_another_network_is_excluded_for_good(bench: Bench, world: World) -> None:
    stranger, good = await bench.server(), await bench.server()
    stranger.root = b"\x01" * 32
    api = bench.api(stranger, good)
    for _ in range(3):
        assert await api.finality_update() == world.chain.finality_update()
    assert len(stranger.requests) == 1
    assert [node.wrong_chain for node in api.health()] == [True, False]
    with pytest.raises(WrongChain, match="beacon list"):
        await bench.api(stranger).finality_update()


async def test_everyone_is_asked_for_contradictions(bench: Bench, world: World) -> None:
    honest, liar, down = await bench.server(), await bench.server(), await bench.server()
    liar.overrides["finality"] = raw(b"\0", "application/json")
    down.overrides["light_client"] = says(404)
    api = bench.api(honest, liar, down)
    ((label, update),) = await api.finality_updates_of_everyone()
    assert update == world.chain.finality_update()
    assert label == honest.url.removeprefix("http://")
    assert len(await api.updates_of_everyone(Period(0))) == 2
    assert [kind for _, kind in bench.errors] == ["invalid"]
    assert api.provider_count == 3


async def test_who_a_node_is_and_where(bench: Bench, world: World) -> None:
    server = await bench.server()
    block = world.chain.finalized
    message = block.header.to_json(world.network.forks[-1].name, world.network.preset)
    server.overrides |= {
        "/config/spec": lambda _: web.json_response({"data": {"PRESET_BASE": "minimal"}}),
        "/node/version": lambda _: web.json_response({"data": {"version": "Node/v1\n"}}),
        "/node/syncing": lambda _: web.json_response(
            {"data": {"head_slot": "9", "sync_distance": "1", "is_syncing": True, "is_optimistic": False}}
        ),
        "/headers/finalized": lambda _: web.json_response(
            {
                "finalized": True,
                "data": {"root": "0x" + block.root.hex(), "canonical": True, "header": {"message": message}},
            }
        ),
        "/headers/head": lambda _: web.json_response(
            {"data": {"root": "0x" + "11" * 32, "header": {"message": message}}}
        ),
    }
    api = bench.api(server)
    assert (await api.spec())["PRESET_BASE"] == "minimal"
    assert await api.version() == "Node/v1 "
    assert (await api.syncing()).head_slot == 9
    assert (await api.genesis()).validators_root == world.network.genesis_validators_root
    found = await api.header("finalized")
    assert (found.root, found.header, found.finalized) == (block.root, block.header, True)
    with pytest.raises(ChainUnavailable, match="names a header"):
        await api.header("head")


@pytest.mark.parametrize("url", ["{base}/" + SECRET, "{base}/?key=" + SECRET])
async def test_credentials_in_urls_are_used_and_never_shown(bench: Bench, world: World, url: str) -> None:
    server = await bench.server()
    api = bench.api(url.format(base=server.url))
    assert await api.finality_update() == world.chain.finality_update()
    assert await api.updates(Period(0), 1) == world.chain.updates(Period(0), 1)
    assert all(SECRET in path for path, _ in server.requests)
    server.overrides["light_client"] = says(400, f"unknown key {SECRET}")
    with pytest.raises(ChainUnavailable) as error:
        await api.finality_update()
    assert SECRET not in str(error.value) + repr(api.health()) + repr(bench.errors)


def test_a_chain_without_nodes_is_a_configuration_error(world: World) -> None:
    with pytest.raises(ConfigError, match="no beacon nodes of eth"):
        BeaconApi("eth", [], world.network)
