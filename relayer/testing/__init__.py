# SPDX-License-Identifier: MIT
"""What an application's tests need: real roads between local chains, and twins in memory.

    roads.py     `local_roads`: local chains that are joined, and a relayer that serves them
    fixtures.py  the same for pytest, by one line: `pytest_plugins = ["relayer.testing.fixtures"]`

Postroad's own tests use the twins below; they show how a relayer behaves, not how an application does.

    chain.py     `MemoryChain` implements relayer.chains.base.Chain; `join` registers two with each other
    gateway.py   the contracts' rules on a state in memory: outbox, inbox, light clients
    prover.py    `MemoryProver` implements relayer.consensus.base.Prover for a MemoryChain

A test of a relayer makes two chains, joins them, sends, and mines block by block; `MemoryChain.faults` says
what goes wrong. Everything here is imported when it is first used. Only fixtures.py imports pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relayer.testing.roads import RoadChain, RunningRoads, local_roads

__all__ = ["RoadChain", "RunningRoads", "local_roads"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'relayer.testing' has no attribute {name!r}")
    return getattr(import_module("relayer.testing.roads"), name)
