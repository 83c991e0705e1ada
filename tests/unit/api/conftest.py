# SPDX-License-Identifier: MIT
"""A relayer with a journal of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from relayer.journal.store import Journal
from tests.support.api import StillRelayer


@pytest.fixture
def relayer(tmp_path: Path) -> Iterator[StillRelayer]:
    with Journal.open(f"sqlite:///{tmp_path}/journal.db") as journal:
        yield StillRelayer(journal)
