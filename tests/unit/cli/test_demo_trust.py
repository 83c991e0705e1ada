# SPDX-License-Identifier: MIT
"""What the demo says of whom light clients trust: once, and again when that changes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from relayer.cli.demo.console import DemoConsole
from relayer.cli.demo.trust import TrustTeller
from relayer.errors import ChainUnavailable


class FakeShow:
    """A consensus whose trusted signers are in `trusted`; an exception there is raised."""

    def __init__(self, trusted: str | Exception) -> None:
        self.trusted = trusted
        self.looks = 0

    async def describe_trust(self, destination: object, client: bytes) -> str:
        assert isinstance(destination, SimpleNamespace)
        assert client.startswith(b"client of ")
        self.looks += 1
        if isinstance(self.trusted, Exception):
            raise self.trusted
        return self.trusted


class FakeRoad:
    """Two chains that know each other, unless `is_joined` is false."""

    is_joined = True

    def chain(self, name: str) -> Any:
        async def remote(endpoint_id: bytes) -> Any:
            return SimpleNamespace(client=b"client of " + endpoint_id) if self.is_joined else None

        return SimpleNamespace(chain=SimpleNamespace(remote=remote, endpoint_id=name.encode()))


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that in 5 s")


def make(
    road: FakeRoad, first: FakeShow, second: FakeShow
) -> tuple[TrustTeller, list[dict[str, Any]], io.StringIO]:
    out, told = io.StringIO(), list[dict[str, Any]]()
    console = DemoConsole(Console(file=out, width=200), is_live=False)
    shows = cast("Any", {"eth": first, "court": second})
    return TrustTeller(console, cast("Any", road), shows, told), told, out


async def test_trust_is_told_once_and_again_when_it_moves() -> None:
    eth, court = FakeShow("committee 1"), FakeShow("four validators")
    teller, told, out = make(FakeRoad(), eth, court)
    async with teller.telling():
        looks = eth.looks
        await until(lambda: eth.looks > looks)
        eth.trusted = "committee 2"
        await until(lambda: len(told) == 3)
    shown = [(change["source"], change["destination"], change["trusted"]) for change in told]
    assert shown == [
        ("eth", "court", "committee 1"),
        ("court", "eth", "four validators"),
        ("eth", "court", "committee 2"),
    ]
    lines = out.getvalue().splitlines()
    assert "the light client of eth on court trusts committee 1" in lines[0]
    assert "the light client of eth on court has moved on: it trusts committee 2" in lines[2]
    # What changes between two times of telling is told at the next.
    court.trusted = "five validators"
    await asyncio.sleep(0.3)
    assert len(told) == 3
    async with teller.telling():
        assert told[-1]["trusted"] == "five validators"


async def test_a_chain_that_does_not_answer_now_is_asked_again() -> None:
    eth, court = FakeShow(ChainUnavailable("down")), FakeShow("four validators")
    teller, told, _ = make(FakeRoad(), eth, court)
    async with teller.telling():
        assert told == []
        eth.trusted = "committee 1"
        await until(lambda: len(told) == 2)


async def test_nothing_is_told_of_chains_that_are_not_joined() -> None:
    road = FakeRoad()
    road.is_joined = False
    teller, told, _ = make(road, FakeShow("committee 1"), FakeShow("four validators"))
    async with teller.telling():
        assert told == []


async def test_what_no_later_look_can_mend_is_not_swallowed() -> None:
    eth = FakeShow("committee 1")
    teller, _, _ = make(FakeRoad(), eth, FakeShow("four validators"))

    async def break_it() -> None:
        async with teller.telling():
            eth.trusted = ValueError("broken")
            looks = eth.looks
            await until(lambda: eth.looks > looks)

    with pytest.raises(ValueError, match="broken"):
        await break_it()


async def test_a_move_is_waited_for_and_not_longer_than_said() -> None:
    eth, court = FakeShow("committee 1"), FakeShow("four validators")
    teller, told, _ = make(FakeRoad(), eth, court)
    assert not await teller.await_move("eth", 0.1)
    assert not teller.has_moved("eth")
    waiting = asyncio.create_task(teller.await_move("eth", 5))
    await asyncio.sleep(0.05)
    eth.trusted = "committee 2"
    assert await waiting
    assert teller.has_moved("eth")
    assert not teller.has_moved("court")
    assert [change["trusted"] for change in told] == ["committee 1", "four validators", "committee 2"]
