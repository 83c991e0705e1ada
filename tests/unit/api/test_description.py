# SPDX-License-Identifier: MIT
"""The API does what its description says: schemathesis asks a real server what it allows and forbids."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from relayer.api.table import ROUTES
from tests.support.api import TOKEN, serving
from tests.unit.api.relayed import Relayed, add_open

pytestmark = pytest.mark.network

_RUN_S = 240


async def test_the_api_keeps_to_its_description(relayed: Relayed, tmp_path: Path) -> None:
    # Nobody takes a wish from now on, so that what was asked for stays to be asked for again.
    await relayed.network.pipeline.drain()
    await add_open(relayed)
    async with serving(relayed.relayer, token_env="TOKEN") as client:
        asking = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{client.base}/v1/openapi.json"),
            *("--header", f"Authorization: Bearer {TOKEN}"),
            # A stream has no end to wait for; its own tests ask it.
            *("--exclude-path", "/v1/events"),
            *("--max-examples", "40", "--generation-deterministic", "--continue-on-failure"),
            *("--workers", "1", "--request-timeout", "20", "--no-color"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        async with asyncio.timeout(_RUN_S):
            output, _ = await asking.communicate()
    text = output.decode()
    assert asking.returncode == 0, text
    # All but the stream, and the description that it has read before.
    assert f"Tested: {len(ROUTES) - 2}" in text, text
