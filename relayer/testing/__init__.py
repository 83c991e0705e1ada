# SPDX-License-Identifier: MIT
"""What an application's tests need: real roads between local chains, and twins in memory.

    roads.py     `local_roads`: local chains that are joined, and a relayer that serves them
    fixtures.py  the same for pytest, by one line: `pytest_plugins = ["relayer.testing.fixtures"]`
    memory_road.py   `MemoryRoad`: the library's calls without chains, with time under the test's control

Postroad's own tests use the twins below; they show how a relayer behaves, not how an application does.

    chain.py     `MemoryChain` implements relayer.chains.base.Chain; `join` registers two with each other
    gateway.py   the contracts' rules on a state in memory: outbox, inbox, light clients
    prover.py    `MemoryProver` implements relayer.consensus.base.Prover for a MemoryChain

A test of a relayer makes two chains, joins them, sends, and mines block by block; `MemoryChain.faults` says
what goes wrong. Everything here is imported when it is first used. Only fixtures.py imports pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from relayer.testing.memory_road import MemoryMessage, MemoryRoad, ReceivedMessage
    from relayer.testing.roads import RoadChain, RunningRoads, local_roads

__all__ = ["MemoryMessage", "MemoryRoad", "ReceivedMessage", "RoadChain", "RunningRoads", "local_roads"]

_IN_MEMORY: Final = frozenset({"MemoryMessage", "MemoryRoad", "ReceivedMessage"})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'relayer.testing' has no attribute {name!r}")
    module = "memory_road" if name in _IN_MEMORY else "roads"
    return getattr(import_module(f"relayer.testing.{module}"), name)
