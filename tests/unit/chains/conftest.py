# SPDX-License-Identifier: MIT
"""The fixture of tests that ask JSON-RPC providers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.unit.chains.provider_bench import ProviderBench


@pytest.fixture
async def provider_bench() -> AsyncIterator[ProviderBench]:
    async with AsyncExitStack() as stack:
        yield ProviderBench(stack)
