# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from relayer.consensus.bft.local.chain import LocalChain
from relayer.consensus.bft.local.header import Kind
from tests.support.devnet import Client


@pytest.fixture(params=[Kind.QBFT, Kind.IBFT2])
async def chain(request: pytest.FixtureRequest) -> AsyncIterator[LocalChain]:
    """A chain of each kind, with blocks on demand."""
    async with LocalChain("alpha", request.param, validators=4, block_time_s=None) as started:
        yield started


@pytest.fixture
async def qbft() -> AsyncIterator[LocalChain]:
    """For what does not depend on the kind."""
    async with LocalChain("alpha", Kind.QBFT, validators=4, block_time_s=None) as started:
        yield started


@pytest.fixture
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of the test's chain."""
    name = "chain" if "chain" in request.fixturenames else "qbft"
    async with Client(request.getfixturevalue(name).http_url) as opened:
        yield opened
