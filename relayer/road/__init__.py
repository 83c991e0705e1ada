# SPDX-License-Identifier: MIT
"""The library: connect, send, wait for a delivery that is proven, read a message's story."""

from __future__ import annotations

from relayer.road.any_road import AnyMessage, AnyRoad
from relayer.road.blocking import BlockingMessage, BlockingRoad, connect_blocking
from relayer.road.errors import DeliveryTimeout, MessageExpired, MessageUnknown
from relayer.road.message import RoadMessage
from relayer.road.receipt import Receipt
from relayer.road.road import Road, connect
from relayer.views.delivery import DeliveryView as Delivery
from relayer.views.story import StepView as StoryStep
from relayer.views.story import StoryView as Story

__all__ = [
    "AnyMessage",
    "AnyRoad",
    "BlockingMessage",
    "BlockingRoad",
    "Delivery",
    "DeliveryTimeout",
    "MessageExpired",
    "MessageUnknown",
    "Receipt",
    "Road",
    "RoadMessage",
    "Story",
    "StoryStep",
    "connect",
    "connect_blocking",
]
