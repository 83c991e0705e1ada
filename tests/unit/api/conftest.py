# SPDX-License-Identifier: MIT
"""Relayers to serve: one with an empty journal, one that has relayed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from relayer.journal.store import Journal
from relayer.views.relayer import relayer_view
from tests.support.api import StillRelayer
from tests.support.memory_network import delayed, running_network, states, two_chains
from tests.unit.api.relayed import Relayed


@pytest.fixture
def relayer(tmp_path: Path) -> Iterator[StillRelayer]:
    with Journal.open(f"sqlite:///{tmp_path}/journal.db") as journal:
        yield StillRelayer(journal)


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
