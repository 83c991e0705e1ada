# SPDX-License-Identifier: MIT
"""Heads of a chain as they come, and an end when it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from light_clients.client import Height, Timestamp
from relayer.chains.base import Head
from relayer.chains.evm import heads
from relayer.chains.evm.heads import HeadFeed


def make_head(number: int) -> Head:
    return Head(Height(number), bytes([number]) * 32, bytes([number - 1]) * 32, Timestamp(number))


async def test_a_cancellation_that_comes_along_with_a_head_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A relayer that is stopped just as a block comes ends all the same."""
    second = asyncio.Event()

    async def subscribe(_: object) -> AsyncIterator[Head]:
        await second.wait()
        yield make_head(2)
        await asyncio.Event().wait()

    async def poll() -> Head:
        return make_head(1)

    monkeypatch.setattr(heads, "subscribe_heads", subscribe)
    provider = SimpleNamespace(label="provider", endpoint=SimpleNamespace(websocket="ws://provider"))
    feed = HeadFeed(cast("Any", [provider]), poll, interval_s=60)
    first = asyncio.Event()

    async def follow() -> None:
        async for _ in feed.heads():
            first.set()

    following = asyncio.create_task(follow())
    await first.wait()
    # Let it wait for the next head, and the listener for its event.
    for _ in range(5):
        await asyncio.sleep(0)
    # One step later the head is in the queue, and is not taken yet.
    second.set()
    await asyncio.sleep(0)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(following, 5)
