# SPDX-License-Identifier: MIT
"""What every request goes through, and what is refused on the way."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from relayer.api import server
from relayer.errors import ConfigError
from relayer.journal.reading import Reading
from tests.support.api import TOKEN, StillRelayer, serving

pytestmark = pytest.mark.network


async def test_an_unknown_path_and_a_wrong_method_are_problems(relayer: StillRelayer) -> None:
    async with serving(relayer) as client:
        assert await client.problem("/v1/nothing") == (
            404,
            "unknown_path",
            "Nothing is served under this path.",
        )
        told = await client.ask("/healthz", "DELETE")
        assert (told.status, told.headers["allow"], told.json["code"]) == (405, "GET", "method_not_allowed")


async def test_every_answer_has_the_headers_of_safety(relayer: StillRelayer) -> None:
    async with serving(relayer) as client:
        for path in ("/healthz", "/v1/nothing"):
            headers = (await client.ask(path)).headers
            assert headers["cache-control"] == "no-store"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("name", ["evil.example", "evil.example:9464", "localhost.evil.example", "[::2]"])
async def test_loopback_is_asked_by_its_own_names_only(relayer: StillRelayer, name: str) -> None:
    """A name that a page of another site gave to 127.0.0.1 (DNS rebinding) is refused."""
    async with serving(relayer, hosts=("relayer.example",)) as client:
        for good in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:9464", "relayer.example:80"):
            assert (await client.ask("/healthz", headers={"Host": good})).status == 200
        found = await client.problem("/healthz", headers={"Host": name})
        assert found == (421, "wrong_host", "The Host header names a server that this one is not.")


async def test_another_address_is_asked_by_any_name_unless_some_are_listed(relayer: StillRelayer) -> None:
    async with serving(relayer) as client:
        port = client.base.rpartition(":")[2]
    async with serving(relayer, listen=f"0.0.0.0:{port}") as client:
        assert (await client.ask("/healthz", headers={"Host": "any.example"})).status == 200
    async with serving(relayer, listen=f"0.0.0.0:{port}", hosts=("relayer.example",)) as client:
        assert (await client.problem("/healthz", headers={"Host": "any.example"}))[0] == 421


async def test_no_page_of_another_origin_reads_unless_it_is_listed(relayer: StillRelayer) -> None:
    asks = {"Origin": "https://page.example"}
    preflight = asks | {"Access-Control-Request-Method": "GET"}
    async with serving(relayer) as client:
        headers = (await client.ask("/healthz", headers=asks)).headers
        assert not [name for name in headers if name.startswith("access-control")]
        assert (await client.problem("/healthz", "OPTIONS", headers=preflight))[:2] == (
            405,
            "method_not_allowed",
        )
    async with serving(relayer, cors_origins=("https://page.example",)) as client:
        told = await client.ask("/v1/nothing", headers=asks)
        # A page may read why it was refused as well.
        assert told.headers["access-control-allow-origin"] == "https://page.example"
        assert told.headers["vary"] == "Origin"
        told = await client.ask("/healthz", "OPTIONS", headers=preflight)
        assert told.status == 204
        assert told.headers["access-control-allow-methods"] == "GET, POST"
        assert told.headers["access-control-allow-origin"] == "https://page.example"
        other = await client.ask("/healthz", headers={"Origin": "https://page.example.evil"})
        assert "access-control-allow-origin" not in other.headers
        assert other.headers["vary"] == "Origin"
        assert (await client.ask("/healthz", "OPTIONS", headers=preflight | {"Origin": "null"})).status == 405


@pytest.fixture
def blocked(relayer: StillRelayer, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Reads of the journal that do not end before the test does; set once one has begun."""
    began, ended = threading.Event(), threading.Event()
    reading = relayer.journal.reading

    @contextlib.contextmanager
    def block() -> Iterator[Reading]:
        began.set()
        ended.wait()
        with reading() as snapshot:
            yield snapshot

    monkeypatch.setattr(relayer.journal, "reading", block)
    yield began
    ended.set()


async def test_more_than_so_many_requests_are_told_to_come_again(
    relayer: StillRelayer, blocked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_REQUESTS", 1)
    async with serving(relayer) as client:
        asking = asyncio.create_task(client.ask("/v1/messages"))
        await asyncio.to_thread(blocked.wait)
        told = await client.ask("/v1/lanes")
        assert (told.status, told.json["code"], told.headers["retry-after"]) == (
            503,
            "too_many_requests",
            "1",
        )
        assert told.json["detail"] == "1 requests are at work already."
        # Who watches the process is answered all the same.
        assert (await client.ask("/healthz")).status == 200
        asking.cancel()


async def test_what_takes_too_long_is_told_so(
    relayer: StillRelayer, blocked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_REQUEST_S", 0.01)
    async with serving(relayer) as client:
        for _ in range(3):
            found = await client.problem("/v1/messages")
            assert found == (504, "too_slow", "The answer was not ready in 0.01 s.")


@pytest.mark.parametrize("terms", [{"headers": {"X-Long": "x" * 9_000}}, {"params": {"id": "x" * 9_000}}])
async def test_headers_and_addresses_are_bounded(relayer: StillRelayer, terms: dict[str, Any]) -> None:
    async with serving(relayer) as client:
        assert (await client.ask("/v1/lanes", **terms)).status == 400


async def test_a_defect_is_told_without_what_it_was(
    relayer: StillRelayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ValueError("a secret")

    monkeypatch.setattr(relayer, "health", fail)
    async with serving(relayer) as client:
        with capture_logs() as logs:
            told = await client.ask("/healthz")
        assert (told.status, told.json["code"]) == (500, "defect")
        assert told.json["detail"] == "The request failed by a defect of this program."
        assert "secret" not in told.text
    assert [(log["path"], log["error"]) for log in logs] == [("/healthz", "ValueError('a secret')")]


@pytest.mark.parametrize(
    "terms", [{"token_env": "MISSING"}, {"token_env": "SHORT"}, {"token_file": "no such file"}]
)
async def test_a_token_that_is_configured_must_be_there(relayer: StillRelayer, terms: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="token") as caught:
        async with serving(relayer, **terms):
            raise AssertionError
    assert TOKEN not in str(caught.value)


async def test_an_empty_address_serves_nothing(relayer: StillRelayer) -> None:
    async with serving(relayer, listen="") as client:
        assert client.base == "http://"
