# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from light_clients.bft.preimage import BftKind
from relayer.consensus.bft.local.chain import LocalBftChain
from tests.support.devnet import ON_DEMAND, Client


@pytest.fixture(params=[BftKind.QBFT, BftKind.IBFT2])
async def chain(request: pytest.FixtureRequest) -> AsyncIterator[LocalBftChain]:
    """A chain of each kind, with blocks on demand."""
    async with LocalBftChain("alpha", ON_DEMAND, protocol=request.param, validators=4) as started:
        yield started


@pytest.fixture
async def qbft() -> AsyncIterator[LocalBftChain]:
    """For what does not depend on the kind."""
    async with LocalBftChain("alpha", ON_DEMAND, validators=4) as started:
        yield started


@pytest.fixture
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of the test's chain."""
    name = "chain" if "chain" in request.fixturenames else "qbft"
    async with Client(request.getfixturevalue(name).http_url) as opened:
        yield opened
