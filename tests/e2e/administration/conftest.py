# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from light_clients.bft.preimage import BftKind
from relayer.consensus.bft.local.chain import LocalBftChain
from tests.support.administration import OPTIONS, Site, open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    port = LocalBftChain("port", OPTIONS, protocol=BftKind.IBFT2, validators=4)
    async with open_site(tmp_path, port) as site:
        yield site
