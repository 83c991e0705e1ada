# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.bft.local.header import Kind
from tests.support.devnet import Client


@pytest.fixture(params=[Kind.QBFT, Kind.IBFT2])
async def chain(request: pytest.FixtureRequest) -> AsyncIterator[LocalBftChain]:
    """A chain of each kind, with blocks on demand."""
    async with LocalBftChain("alpha", request.param, validators=4, block_time_s=None) as started:
        yield started


@pytest.fixture
async def qbft() -> AsyncIterator[LocalBftChain]:
    """For what does not depend on the kind."""
    async with LocalBftChain("alpha", Kind.QBFT, validators=4, block_time_s=None) as started:
        yield started


@pytest.fixture
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of the test's chain."""
    name = "chain" if "chain" in request.fixturenames else "qbft"
    async with Client(request.getfixturevalue(name).http_url) as opened:
        yield opened
