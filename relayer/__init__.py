# SPDX-License-Identifier: MIT
"""Postroad: verified messages between blockchains.

    async with relayer.connect("postroad.toml") as road:
        message = await road.send("court-chain", "port-chain", to=contract, payload=b"...", deadline="10m")
        receipt = await message.delivered()          # verified by a light client, not by trust in an RPC

Everything here is imported when it is first used, so that `import relayer` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relayer.errors import PostroadError
    from relayer.road import (
        AnyMessage,
        AnyRoad,
        BlockingMessage,
        BlockingRoad,
        Delivery,
        DeliveryTimeout,
        MessageExpired,
        MessageUnknown,
        Receipt,
        Road,
        RoadMessage,
        Story,
        StoryStep,
        connect,
        connect_blocking,
    )

__all__ = [
    "AnyMessage",
    "AnyRoad",
    "BlockingMessage",
    "BlockingRoad",
    "Delivery",
    "DeliveryTimeout",
    "MessageExpired",
    "MessageUnknown",
    "PostroadError",
    "Receipt",
    "Road",
    "RoadMessage",
    "Story",
    "StoryStep",
    "connect",
    "connect_blocking",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'relayer' has no attribute {name!r}")
    return getattr(import_module("relayer.errors" if name == "PostroadError" else "relayer.road"), name)


def __dir__() -> list[str]:
    return __all__
