# SPDX-License-Identifier: MIT
"""Relayers to serve: one with an empty journal, one that has relayed."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from relayer.journal.store import Journal
from relayer.protocol.message import Message
from relayer.views.relayer import relayer_view
from tests.support.api import StillRelayer
from tests.support.memory_network import MemoryNetwork, delayed, running_network, states, two_chains


@pytest.fixture
def relayer(tmp_path: Path) -> Iterator[StillRelayer]:
    with Journal.open(f"sqlite:///{tmp_path}/journal.db") as journal:
        yield StillRelayer(journal)


@dataclasses.dataclass
class Relayed:
    """A pipeline between two chains in memory, a > b, with messages in several states, and what shows it.

    Attributes:
        relayer: for the API.
        network: the chains.
        confirmed: three messages that were delivered.
        waiting: one that no verified header covers yet.
    """

    relayer: StillRelayer
    network: MemoryNetwork
    confirmed: list[Message]
    waiting: Message


@pytest.fixture
async def relayed(tmp_path: Path) -> AsyncIterator[Relayed]:
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        confirmed = network.send("a", "b", 3)
        await network.mine_until(lambda: network.is_confirmed(confirmed))
        (waiting,) = network.send("a", "b")
        await network.mine_until(lambda: states(network, [waiting]) == ["observed"])
        view = relayer_view(network.pipeline, 1_800_000_000.0)
        yield Relayed(StillRelayer(network.journal, view), network, confirmed, waiting)
