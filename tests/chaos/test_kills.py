# SPDX-License-Identifier: MIT
"""INV-2, INV-6: the short form of `make kill ARGS=--every`, with a few deaths at chosen instants."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.bench import kill_every
from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE

KILLS = 8


async def test_a_daemon_killed_at_commits_and_broadcasts_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    figures = await kill_every.run(tmp_path, KILLS, random.SystemRandom().randrange(1 << 32))
    assert figures.kills == KILLS
    assert figures.messages > 100
    assert figures.violations == {}
