# SPDX-License-Identifier: MIT
"""The fixture of tests that ask an EvmChain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.unit.chains.evm.chain_bench import (
    ChainBench,
)


@pytest.fixture
async def bench() -> AsyncIterator[ChainBench]:
    async with AsyncExitStack() as stack:
        yield ChainBench(stack)
